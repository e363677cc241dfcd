/** What a client asked for cannot be specified: its own mistake (400), with the value in the message. */
export class SpecError extends Error {}
