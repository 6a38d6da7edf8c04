const LABEL = '[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?'
const HOST_NAME = new RegExp(`^${LABEL}(?:\\.${LABEL})*\\.?$`)
const HOST_NAME_MAX = 253
const DIGITS_AND_DOTS = /^[0-9.]+$/
const IPV6 = /^[0-9A-Fa-f:.]{2,45}$/

/** Whether `text` is an IPv4 address, an IPv6 address without brackets or zone, or a host name. */
export function isAddress(text: string): boolean {
  if (text.includes(':')) return isIpv6(text)
  if (DIGITS_AND_DOTS.test(text)) return isIpv4(text)
  return text.length <= HOST_NAME_MAX && HOST_NAME.test(text)
}

function isIpv4(text: string): boolean {
  const parts = text.split('.')
  // A leading zero is octal to some readers: two readings of one address are refused.
  return (
    parts.length === 4 && parts.every((part) => /^(?:0|[1-9]\d{0,2})$/.test(part) && +part < 256)
  )
}

function isIpv6(text: string): boolean {
  return IPV6.test(text) && URL.canParse(`http://[${text}]`)
}
