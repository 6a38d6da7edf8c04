/** Why a node could not start: one line for the operator, and the exit code of API.md. */
export class StartError extends Error {
  override readonly name = 'StartError'
  readonly exitCode: 1 | 2 | 3

  constructor(exitCode: 1 | 2 | 3, message: string, options?: ErrorOptions) {
    super(message, options)
    this.exitCode = exitCode
  }
}
