/** An error as daprd answers it: `{ errorCode, message }` with an HTTP status. Programs branch on `errorCode`. */
export class HttpError extends Error {
  readonly status: number;
  readonly errorCode: string;

  constructor(status: number, errorCode: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'HttpError';
    this.status = status;
    this.errorCode = errorCode;
  }
}

/** What daprd says to every path or method it does not know: it takes them for a service invocation. */
export function noSuchRoute(): HttpError {
  const message = 'failed getting app id either from the URL path or the header dapr-app-id';
  return new HttpError(404, 'ERR_DIRECT_INVOKE', message);
}

export function badRequest(reason: string): HttpError {
  return new HttpError(400, 'ERR_BAD_REQUEST', `invalid request: ${reason}`);
}

export function noSuchWorkflow(id: string): HttpError {
  const message = `unable to find workflow with the provided instance ID: ${id}`;
  return new HttpError(404, 'ERR_INSTANCE_ID_NOT_FOUND', message);
}
