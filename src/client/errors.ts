/** What goes wrong between a client and its server. */

/** The server answered with an error. `message` is the server's own text. */
export class ApiError extends Error {
  constructor(
    /** The HTTP status: 400 bad parameter, 404 no such object, 409 conflict, 500 the server's fault. */
    readonly status: number,
    message: string,
  ) {
    super(message);
    this.name = "ApiError";
  }
}

/** No server answered at `host`. `code` is the system's reason, `ENOENT` or `ECONNREFUSED`, where there is one. */
export class ConnectError extends Error {
  constructor(
    readonly host: string,
    readonly code: string | undefined,
    readonly reason: string,
  ) {
    super(`cannot connect to ${host}: ${reason}`);
    this.name = "ConnectError";
  }
}

/** The connection ended in the middle of an answer, or what came is not the protocol. */
export class ProtocolError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "ProtocolError";
  }
}
