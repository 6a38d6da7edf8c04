/** JSON that ends its line: the prompt of a terminal then stands on the next one. */
export function jsonLine(body: unknown): string {
  return `${JSON.stringify(body)}\n`
}
