import type { Address } from '../usage/values.ts'

/** Whether only this machine can reach `host`. A name counts only if it is `localhost`. */
export function isLoopback(host: string): boolean {
  const bare = bareHost(host)
  return bare === 'localhost' || bare === '::1' || /^127(\.[0-9]{1,3}){3}$/.test(bare)
}

/** Whether `host` stands for all addresses of the machine, and so is none that others could dial. */
export function isWildcard(host: string): boolean {
  const bare = bareHost(host)
  return bare === '0.0.0.0' || bare === '*' || /^[0:]+$/.test(bare)
}

/** Whether `host` is written as numbers rather than as a name. */
export function isNumeric(host: string): boolean {
  const bare = bareHost(host)
  return bare.includes(':') || /^[0-9.]+$/.test(bare)
}

/** Host and port that a URL names, its protocol's port included. */
export function addressOf(url: string): Address {
  const { hostname, port, protocol } = new URL(url)
  const usual = protocol === 'https:' ? 443 : 80
  return { host: bareHost(hostname), port: port === '' ? usual : Number(port) }
}

/** The URL of an address, `[…]` around IPv6. */
export function urlOf(address: Address): string {
  const host = address.host.includes(':') ? `[${address.host}]` : address.host
  return `http://${host}:${address.port}`
}

function bareHost(host: string): string {
  return host.replace(/^\[|\]$/g, '').toLowerCase()
}
