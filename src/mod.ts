/**
 * rollcall within a program of yours: what `import … from 'rollcall'` gives.
 *
 * ```ts
 * const node = createNode({ data: './rollcall-data' })
 * await node.start()
 * host.route('/registry', node.app)
 * ```
 *
 * @module
 */
export { createNode } from './create-node.ts'
export type { EmbeddedNode, EmbeddedStatus } from './create-node.ts'
export type { CreateNodeOptions } from './create-node-options.ts'
export { StartError } from './errors.ts'
export type { NodeStatus } from './http/cluster/node-status.ts'
export type { Logger, LogFields } from './lib/logger.ts'
