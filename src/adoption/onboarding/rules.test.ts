import { expect, test } from 'vitest'
import type { EstateObject } from '../estate/estate.ts'
import { rulesForHost } from './rules.ts'

const CART = 'cart.shop.svc.cluster.local'

function virtualService(name: string, namespace: string, spec: object): EstateObject {
  return { apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata: { name, namespace }, spec }
}

test('rules for a host are found however they write it, and none that are for gateways alone', () => {
  const rules = [
    virtualService('short', 'shop', { hosts: ['cart'] }),
    virtualService('short-of-others', 'pay', { hosts: ['cart'] }),
    virtualService('full', 'pay', { hosts: [CART] }),
    virtualService('wildcard', 'shop', { hosts: ['*.shop.svc.cluster.local'] }),
    virtualService('of-a-gateway', 'shop', { hosts: ['*'], gateways: ['edge'] }),
    virtualService('of-both', 'shop', { hosts: [CART], gateways: ['edge', 'mesh'] }),
  ]
  expect(rulesForHost({ rules }, 'VirtualService', CART).map(({ metadata }) => metadata.name)).toEqual([
    'short',
    'full',
    'wildcard',
    'of-both',
  ])
})
