import { expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { isLoopback, isWildcard } from '../../src/cli/nodes/addresses.ts'
import { BadValue } from '../../src/cli/errors.ts'
import { FLAG_NAMES, findFlag } from '../../src/cli/usage/flags.ts'
import { readAddress, readCluster, readPercent, readUrl } from '../../src/cli/usage/values.ts'

test('readAddress() takes names, IPv4 and bracketed IPv6', () => {
  expect(readAddress('localhost:0')).toEqual({ host: 'localhost', port: 0 })
  expect(readAddress('10.0.0.1:65535')).toEqual({ host: '10.0.0.1', port: 65_535 })
  expect(readAddress('[::1]:7400')).toEqual({ host: '::1', port: 7_400 })
  for (const bad of [
    '',
    ':1',
    'a',
    'a:',
    'a:b',
    '::1:7400',
    'a:-1',
    'a:1x',
    'http://a:1',
    'a b:1',
  ]) {
    expect(() => readAddress(bad), bad).toThrow(BadValue)
  }
})

test('readUrl() answers the origin, and refuses what a node is not', () => {
  expect(readUrl('HTTP://A.example:80/')).toBe('http://a.example')
  expect(readUrl('https://[::1]:7400')).toBe('https://[::1]:7400')
  for (const bad of [
    '',
    'a:1',
    '/a',
    'http://',
    'http://a/b',
    'http://a?b',
    'http://u:p@a',
    'ws://a',
  ]) {
    expect(() => readUrl(bad), bad).toThrow(BadValue)
  }
})

test('readCluster() sorts by id and bounds the list', () => {
  expect(readCluster('b=http://b:1, a=http://a:1').map((node) => node.id)).toEqual(['a', 'b'])
  const many = Array.from({ length: 16 }, (_, i) => `n${i}=http://n${i}:1`)
  expect(() => readCluster(many.join(','))).toThrow('lists 16 nodes')
  expect(() => readCluster('')).toThrow(BadValue)
})

test('readPercent() is a fraction of at most one half', () => {
  expect(readPercent('5%')).toBe(0.05)
  expect(readPercent('0%')).toBe(0)
  expect(readPercent('50%')).toBe(0.5)
  for (const bad of ['5', '%', '-1%', '50.1%', '1e1%', 'NaN%']) {
    expect(() => readPercent(bad), bad).toThrow(BadValue)
  }
})

test('isLoopback() and isWildcard() know every way to write them', () => {
  for (const host of ['127.0.0.1', '127.9.9.9', '::1', '[::1]', 'LOCALHOST']) {
    expect(isLoopback(host), host).toBe(true)
    expect(isWildcard(host), host).toBe(false)
  }
  for (const host of ['0.0.0.0', '::', '[::]', '0', '*', '0:0:0:0:0:0:0:0']) {
    expect(isWildcard(host), host).toBe(true)
    expect(isLoopback(host), host).toBe(false)
  }
  for (const host of ['10.0.0.1', '127.0.0.1.example', 'localhost.example', '::2', '1.127.0.0']) {
    expect(isLoopback(host), host).toBe(false)
    expect(isWildcard(host), host).toBe(false)
  }
})

test('every flag reads its own default, and throws nothing but BadValue', () => {
  for (const name of FLAG_NAMES) {
    const spec = findFlag(name)
    if (spec?.fallback != null) expect(() => spec.read(spec.fallback ?? ''), name).not.toThrow()
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        try {
          spec?.read(text)
        } catch (error) {
          expect(error).toBeInstanceOf(BadValue)
        }
      }),
      { numRuns: 50 },
    )
  }
})
