/**
 * A nominal type without casts: a plain `number` is accepted where a `Term` is wanted, but a
 * `Term` is refused where a `LogIndex` is wanted. The tag exists for the compiler alone.
 */
export type Flavor<T, Tag extends string> = T & { readonly __flavor?: Tag }
