/** Docker's form of a seccomp profile: rules with conditions, of which `resolve.ts` makes OCI's. */
export interface Profile {
  defaultAction: string;
  defaultErrnoRet?: number;
  archMap?: { architecture: string; subArchitectures?: string[] | null }[];
  architectures?: string[];
  flags?: string[];
  syscalls: Rule[];
}

export interface Rule {
  names: string[];
  action: string;
  errnoRet?: number;
  args?: Argument[];
  includes?: Condition;
  excludes?: Condition;
}

export interface Argument {
  index: number;
  value: number;
  valueTwo?: number;
  op: string;
}

export interface Condition {
  caps?: string[];
  arches?: string[];
  minKernel?: string;
}
