/**
 * The path of sql.js's WebAssembly: beside us in node_modules, or inside the compiled binary.
 * Only ever imported dynamically, on Bun: no other runtime knows this kind of import.
 *
 * @module
 */
// @ts-expect-error The compiler does not know that an import of type "file" is a path.
import path from 'sql.js/dist/sql-wasm.wasm' with { type: 'file' }

export const wasmPath: string = path
