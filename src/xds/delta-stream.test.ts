import { describe, expect, test } from 'vitest'
import type { ClusterLoadAssignment } from '#envoy/config/endpoint/v3/endpoint'
import {
  edsCluster,
  endpoints,
  httpListener,
  layered,
  routes,
  scope,
  scopedListener,
  staticCluster,
  unsoundCluster,
  withoutResources,
  withResources,
} from '../../test/xds/small-resources.ts'
import {
  type EncodedResource,
  type ProxyResources,
  type ResourceType,
  TYPE_URLS,
} from '../translate/encoded-resource.ts'
import { DeltaStream, type Push } from './delta-stream.ts'
import { typeName } from './status.ts'

const WAITS = { warmMs: 5_000, drainMs: 10_000 }

/** A stream, and what a proxy says on it in few words. */
class Talk {
  readonly events: string[] = []
  readonly stream = new DeltaStream(
    {
      rejected: ({ name }, error) => this.events.push(`rejected ${name}: ${error}`),
      recovered: (_, name) => this.events.push(`recovered ${name}`),
      insteadOf: () => this.#lastGood,
    },
    WAITS,
  )
  now = 0
  /** What others go on with that refuse what this one refuses. */
  readonly #lastGood: EncodedResource | undefined

  constructor(resources?: ProxyResources, lastGood?: EncodedResource) {
    this.#lastGood = lastGood
    if (resources) this.stream.retarget(resources)
  }

  ask(
    type: ResourceType | string,
    names: readonly string[] = [],
    versions: Readonly<Record<string, string>> = {},
  ): this {
    return this.#say(type, { resourceNamesSubscribe: names, initialResourceVersions: versions })
  }

  leave(type: ResourceType, ...names: string[]): this {
    return this.#say(type, { resourceNamesUnsubscribe: names })
  }

  ack({ url, nonce }: Push): this {
    return this.#say(url, { responseNonce: nonce })
  }

  nack({ url, nonce }: Push, message: string): this {
    return this.#say(url, { responseNonce: nonce, errorDetail: { message } })
  }

  /** Everything that may be sent now, as `type +name -name`. */
  get due(): string[] {
    return this.pushes.map(brief)
  }

  get pushes(): Push[] {
    const pushes: Push[] = []
    for (let push = this.stream.next(this.now); push; push = this.stream.next(this.now)) pushes.push(push)
    return pushes
  }

  /** The one response that is due. */
  get push(): Push {
    const [push, ...more] = this.pushes
    expect(more.map(brief)).toEqual([])
    if (!push) throw new Error('nothing is due')
    return push
  }

  /** Takes all that comes, until nothing does. */
  takeAll(): string[] {
    const taken: string[] = []
    for (let pushes = this.pushes; pushes.length > 0; pushes = this.pushes)
      for (const push of pushes) {
        taken.push(brief(push))
        this.ack(push)
      }
    return taken
  }

  #say(type: string, fields: object): this {
    this.stream.request({
      typeUrl: TYPE_URLS[type as ResourceType] ?? type,
      resourceNamesSubscribe: [],
      resourceNamesUnsubscribe: [],
      initialResourceVersions: {},
      responseNonce: '',
      ...fields,
    })
    return this
  }
}

function brief({ url, resources, removed }: Push): string {
  const names = [...resources.map(({ name }) => `+${name}`), ...removed.map((name) => `-${name}`)].sort()
  return [typeName(url), ...names].join(' ')
}

describe('endpoints that change with their cluster', () => {
  const portsOf = ({ message }: EncodedResource) =>
    (message as ClusterLoadAssignment).endpoints.flatMap(({ lbEndpoints }) =>
      lbEndpoints.map(({ hostIdentifier: { case: kind, value } }) => {
        const address = kind === 'endpoint' ? value.address?.address : undefined
        return address?.case === 'socketAddress' ? Number(address.value.portSpecifier.value) : 0
      }),
    )
  /** The ports sent, in steps. */
  function steps(before: readonly number[], after: readonly number[], timeoutMs: number): number[][] {
    const talk = new Talk(layered(edsCluster('a'), endpoints('a', ...before))).ask('cluster').ask('endpoints', ['a'])
    talk.takeAll()
    talk.stream.retarget(layered(edsCluster('a', timeoutMs), endpoints('a', ...after)))
    const seen: number[][] = []
    for (let pushes = talk.pushes; pushes.length > 0; pushes = talk.pushes)
      for (const push of pushes) {
        if (push.url === TYPE_URLS.endpoints) seen.push(...push.resources.map(portsOf))
        talk.ack(push)
      }
    return seen
  }

  test('those that are new come when the proxy has taken the cluster with those that it knows', () => {
    expect(steps([1, 2], [1, 2, 3], 2000)).toEqual([
      [1, 2],
      [1, 2, 3],
    ])
    expect(steps([1, 2], [2, 3], 2000)).toEqual([[2], [2, 3]])
  })

  test('those that go, go at once; and all come where the proxy knows none of them', () => {
    expect(steps([1, 2], [1], 2000)).toEqual([[1]])
    expect(steps([1, 2], [3], 2000)).toEqual([[3]])
  })

  test('where the cluster stays, they come at once', () => {
    expect(steps([1, 2], [1, 2, 3], 1000)).toEqual([[1, 2, 3]])
  })
})

describe('subscriptions', () => {
  const two = layered(staticCluster('a'), staticCluster('b'), endpoints('x', 1), endpoints('y', 2))

  test('a first request without names means all clusters, listeners and scopes', () => {
    expect(new Talk(two).ask('cluster').due).toEqual(['cluster +a +b'])
  })

  test('a first request without names means nothing where names are needed', () => {
    expect(new Talk(two).ask('endpoints').due).toEqual([])
  })

  test('the first answer to all of a type comes even if there is nothing, once', () => {
    const talk = new Talk({}).ask('cluster')
    expect(talk.takeAll()).toEqual(['cluster'])
  })

  test('names get what they ask for, and only that', () => {
    expect(new Talk(two).ask('endpoints', ['x']).takeAll()).toEqual(['endpoints +x'])
  })

  test('what does not exist is told at once, and sent when it comes', () => {
    const talk = new Talk(two).ask('endpoints', ['z'])
    expect(talk.takeAll()).toEqual(['endpoints -z'])
    talk.stream.retarget(withResources(two, endpoints('z', 3)))
    expect(talk.takeAll()).toEqual(['endpoints +z'])
  })

  test('a type that Weft does not serve has nothing in it', () => {
    const talk = new Talk(two).ask('type.googleapis.com/envoy.service.runtime.v3.Runtime', ['rt'])
    expect(talk.takeAll()).toEqual(['type.googleapis.com/envoy.service.runtime.v3.Runtime -rt'])
  })

  test('asking again for what is there sends it again', () => {
    const talk = new Talk(two).ask('endpoints', ['x'])
    talk.takeAll()
    expect(talk.ask('endpoints', ['x']).takeAll()).toEqual(['endpoints +x'])
  })

  test('what is no longer asked for is no longer sent', () => {
    const talk = new Talk(two).ask('endpoints', ['x', 'y'])
    talk.takeAll()
    talk.leave('endpoints', 'x').stream.retarget(withResources(two, endpoints('x', 7), endpoints('y', 7)))
    expect(talk.takeAll()).toEqual(['endpoints +y'])
  })

  test('a name given up under a wildcard is sent again: the proxy does not know that it is covered', () => {
    const talk = new Talk(two).ask('cluster', ['*', 'a'])
    talk.takeAll()
    expect(talk.leave('cluster', 'a').takeAll()).toEqual(['cluster +a'])
    talk.leave('cluster', '*').stream.retarget(withResources(two, staticCluster('a', 2)))
    expect(talk.takeAll()).toEqual([])
  })

  test('a proxy that is not known waits, and gets all once it is', () => {
    const talk = new Talk().ask('cluster').ask('endpoints', ['x'])
    expect(talk.due).toEqual([])
    talk.stream.retarget(two)
    expect(talk.takeAll()).toEqual(['cluster +a +b', 'endpoints +x'])
  })
})

describe('coming back', () => {
  const a = staticCluster('a')
  const b = staticCluster('b')

  test('nothing is sent where the versions are the newest', () => {
    const talk = new Talk(layered(a, b)).ask('cluster', [], { a: a.version, b: b.version })
    expect(talk.takeAll()).toEqual([])
  })

  test('what changed, came and went meanwhile is told', () => {
    const talk = new Talk(layered(a, staticCluster('b', 2), staticCluster('c')))
    talk.ask('cluster', [], { a: a.version, b: b.version, gone: 'v' }).ask('listener').ask('routes', ['none'])
    expect(talk.takeAll()).toEqual(['cluster +b +c', 'listener', 'routes -none'])
    talk.now += WAITS.drainMs
    expect(talk.takeAll()).toEqual(['cluster -gone'])
  })

  test('endpoints that it has go again to a cluster that changed meanwhile, as it waits for them', () => {
    const x = endpoints('x', 1)
    const talk = new Talk(layered(edsCluster('x', 2), x)).ask('cluster', [], { x: edsCluster('x', 1).version })
    talk.ack(talk.push).ask('endpoints', ['x'], { x: x.version })
    expect(talk.takeAll()).toEqual(['endpoints +x'])
  })

  test('routes wait for a cluster whose endpoints it had not got yet', () => {
    const x = edsCluster('x')
    const talk = new Talk(layered(x, endpoints('x', 1), routes('r', 'x')))
    talk.ask('cluster', [], { x: x.version }).ask('endpoints', ['x']).ask('routes', ['r'])
    const warm = talk.push
    expect(brief(warm)).toBe('endpoints +x')
    expect(talk.ack(warm).due).toEqual(['routes +r'])
  })
})

describe('one response at a time', () => {
  test('what changes while one is on its way is sent, in its newest form, after the answer', () => {
    const before = layered(endpoints('x', 1))
    const talk = new Talk(before).ask('endpoints', ['x'])
    const first = talk.push
    talk.stream.retarget(withResources(before, endpoints('x', 2)))
    talk.stream.retarget(withResources(before, endpoints('x', 3)))
    expect(talk.due).toEqual([])
    const second = talk.ack(first).push
    expect(second.resources).toEqual(
      [endpoints('x', 3)].map((resource) => expect.objectContaining({ version: resource.version })),
    )
    talk.ack(first)
    expect(talk.stream.subscriptions[0]?.inFlight?.nonce).toBe(second.nonce)
  })

  test('what changed back while it was on its way is put right', () => {
    const before = layered(endpoints('x', 1))
    const talk = new Talk(before).ask('endpoints', ['x'])
    talk.takeAll()
    talk.stream.retarget(withResources(before, endpoints('x', 2)))
    const wrong = talk.push
    talk.stream.retarget(before)
    expect(talk.ack(wrong).push.resources[0]?.version).toBe(endpoints('x', 1).version)
  })

  test('the same configuration in other objects is not sent', () => {
    const talk = new Talk(layered(endpoints('x', 1))).ask('endpoints', ['x'])
    talk.takeAll()
    talk.stream.retarget(layered(endpoints('x', 1)))
    expect(talk.due).toEqual([])
  })
})

describe('make before break', () => {
  const before = layered(
    edsCluster('v1'),
    endpoints('v1', 1),
    scopedListener('l', 1),
    scope('s', 'r'),
    routes('r', 'v1'),
  )

  function running(): Talk {
    const talk = new Talk(before)
      .ask('cluster')
      .ask('endpoints', ['v1'])
      .ask('listener')
      .ask('scopedRoutes')
      .ask('routes', ['r'])
    talk.takeAll()
    return talk
  }

  test('a route waits for the endpoints of its new cluster', () => {
    const talk = running()
    talk.stream.retarget(withResources(before, edsCluster('v2'), endpoints('v2', 2), routes('r', 'v1', 'v2')))
    talk.ack(talk.push)
    expect(talk.due).toEqual([])
    const warm = talk.ask('endpoints', ['v2']).push
    expect(brief(warm)).toBe('endpoints +v2')
    expect(talk.ack(warm).due).toEqual(['routes +r'])
  })

  test('not for ever: where a proxy does not ask for the endpoints, a timer ends it', () => {
    const talk = running()
    talk.stream.retarget(withResources(before, edsCluster('v2'), endpoints('v2', 2), routes('r', 'v2')))
    talk.ack(talk.push)
    expect(talk.due).toEqual([])
    expect(talk.stream.wakeAt).toBe(talk.now + WAITS.warmMs)
    talk.now = talk.stream.wakeAt
    expect(talk.due).toEqual(['routes +r'])
  })

  test('other routes do not wait', () => {
    const talk = running()
    talk.stream.retarget(withResources(before, edsCluster('v2'), endpoints('v2', 2), routes('r', 'v1', 'v1')))
    expect(talk.due).toEqual(['cluster +v2', 'routes +r'])
  })

  test('a scope waits for the routes behind it', () => {
    const talk = running()
    const added = [edsCluster('n'), endpoints('n', 1), routes('rn', 'n'), scope('sn', 'rn')]
    talk.stream.retarget(withResources(before, ...added))
    talk.ack(talk.push).ask('endpoints', ['n'])
    expect(talk.takeAll()).toEqual(['endpoints +n', 'scopedRoutes +sn'])
    expect(talk.ask('routes', ['rn']).takeAll()).toEqual(['routes +rn'])
  })

  test('a scope without routes is not sent, and does not keep the first answer waiting', () => {
    const talk = new Talk(layered(scope('s', 'missing'), scope('t', 'r'), routes('r'))).ask('scopedRoutes')
    expect(talk.takeAll()).toEqual(['scopedRoutes +t'])
  })

  test('a cluster goes a while after the last route to it', () => {
    const talk = running()
    const shifted = withResources(before, edsCluster('v2'), endpoints('v2', 2), routes('r', 'v2'))
    talk.stream.retarget(withoutResources(withoutResources(shifted, 'cluster', 'v1'), 'endpoints', 'v1'))
    talk.ack(talk.push)
    talk.ack(talk.ask('endpoints', ['v2']).push)
    const route = talk.push
    talk.now += 60_000
    expect(talk.due).toEqual([])
    talk.ack(route)
    expect(talk.due).toEqual([])
    expect(talk.stream.wakeAt).toBe(talk.now + WAITS.drainMs)
    talk.now += WAITS.drainMs
    const gone = talk.push
    expect(brief(gone)).toBe('cluster -v1')
    talk.ack(gone).leave('endpoints', 'v1')
    talk.now += 60_000
    expect(talk.due).toEqual([])
  })

  test('a cluster that comes back in that while never went', () => {
    const talk = running()
    talk.stream.retarget(withoutResources(before, 'cluster', 'v1'))
    expect(talk.due).toEqual([])
    talk.stream.retarget(before)
    talk.now += 60_000
    expect(talk.due).toEqual([])
  })

  test('a cluster stays while a refused route keeps the proxy on its last good one', () => {
    const talk = running()
    const shifted = withResources(before, staticCluster('v2'), routes('r', 'v2'))
    talk.stream.retarget(withoutResources(shifted, 'cluster', 'v1'))
    talk.ack(talk.push)
    talk.nack(talk.push, 'no good')
    talk.now += 60_000
    expect(talk.due).toEqual([])
    talk.stream.retarget(withResources(withoutResources(shifted, 'cluster', 'v1'), routes('r', 'v2', 'v2')))
    talk.takeAll()
    talk.now += WAITS.drainMs
    expect(talk.due).toEqual(['cluster -v1'])
  })

  test('scopes go before anything behind them', () => {
    const talk = running()
    talk.stream.retarget(layered(scopedListener('l', 1)))
    const scopes = talk.push
    expect(brief(scopes)).toBe('scopedRoutes -s')
    talk.ack(scopes).leave('routes', 'r')
    expect(talk.due).toEqual([])
    talk.now += WAITS.drainMs
    expect(talk.due).toEqual(['cluster -v1'])
  })

  test('endpoints go at once', () => {
    const talk = running()
    talk.stream.retarget(withResources(before, endpoints('v1', 5)))
    expect(talk.due).toEqual(['endpoints +v1'])
  })

  test('a changed cluster gets its endpoints again, after it', () => {
    const talk = running()
    talk.stream.retarget(withResources(before, edsCluster('v1', 2)))
    expect(talk.due).toEqual(['cluster +v1', 'endpoints +v1'])
  })
})

describe('refusals', () => {
  const good = layered(staticCluster('a'), staticCluster('b'), staticCluster('c'), staticCluster('d'))
  const changed = withResources(
    good,
    staticCluster('a', 2),
    staticCluster('b', 2),
    staticCluster('c', 2),
    staticCluster('d', 2),
  )

  function running(): Talk {
    const talk = new Talk(good).ask('cluster')
    talk.takeAll()
    talk.stream.retarget(changed)
    return talk
  }

  test('the others go without the one that the error names, which is tried alone', () => {
    const talk = running()
    talk.nack(talk.push, 'Error adding/updating cluster(s) c: no good')
    const others = talk.push
    expect(brief(others)).toBe('cluster +a +b +d')
    const alone = talk.ack(others).push
    expect(brief(alone)).toBe('cluster +c')
    talk.nack(alone, 'c: no good')
    expect(talk.due).toEqual([])
    expect(talk.events).toEqual(['rejected c: c: no good'])
  })

  test('an error without names is narrowed down by halves', () => {
    const talk = running()
    const sent: string[] = []
    for (let pushes = talk.pushes; pushes.length > 0; pushes = talk.pushes)
      for (const push of pushes) {
        sent.push(brief(push))
        if (push.resources.some(({ name }) => name === 'c')) talk.nack(push, 'no good')
        else talk.ack(push)
      }
    expect(sent).toHaveLength(5)
    expect(talk.events).toEqual(['rejected c: no good'])
  })

  test('what was refused is sent again only once it changes, and its recovery is told', () => {
    const talk = new Talk(layered(staticCluster('a'))).ask('cluster')
    talk.nack(talk.push, 'no good')
    expect(talk.due).toEqual([])
    talk.stream.retarget(layered(staticCluster('a'), staticCluster('b')))
    expect(talk.takeAll()).toEqual(['cluster +b'])
    talk.stream.retarget(layered(staticCluster('a', 2), staticCluster('b')))
    expect(talk.takeAll()).toEqual(['cluster +a'])
    expect(talk.events).toEqual(['rejected a: no good', 'recovered a'])
  })

  test('a proxy that holds nothing, and refuses what others refused, gets what these go on with', () => {
    const [bad, lastGood] = [layered(staticCluster('a', 2)), staticCluster('a')]
    const talk = new Talk(bad, lastGood).ask('cluster')
    talk.nack(talk.push, 'no good')
    const instead = talk.push
    expect(instead.resources).toEqual([lastGood])
    talk.ack(instead)
    expect(talk.due).toEqual([])
    // It is refused all the same, until something better is there.
    expect(talk.events).toEqual(['rejected a: no good'])
    talk.stream.retarget(layered(staticCluster('a', 3)))
    expect(talk.takeAll()).toEqual(['cluster +a'])
    expect(talk.events).toEqual(['rejected a: no good', 'recovered a'])
  })

  test('a proxy that refuses that, too, is left alone', () => {
    const talk = new Talk(layered(staticCluster('a', 2)), staticCluster('a')).ask('cluster')
    talk.nack(talk.push, 'no good')
    talk.nack(talk.push, 'neither')
    expect(talk.due).toEqual([])
    expect(talk.events).toEqual(['rejected a: no good'])
  })

  test('a change on the way goes first', () => {
    const talk = new Talk(layered(staticCluster('a', 2)), staticCluster('a')).ask('cluster')
    talk.nack(talk.push, 'no good')
    talk.stream.retarget(layered(staticCluster('a', 3)))
    expect(talk.push.resources).toEqual([staticCluster('a', 3)])
  })

  test('what has no bytes is held as others hold it', () => {
    const lastGood = staticCluster('a')
    const talk = new Talk(layered(unsoundCluster('a', -1)), lastGood).ask('cluster')
    expect(talk.push.resources).toEqual([lastGood])
  })

  test('a proxy that holds something keeps that', () => {
    const talk = new Talk(layered(staticCluster('a')), staticCluster('a', 7)).ask('cluster')
    talk.takeAll()
    talk.stream.retarget(layered(staticCluster('a', 2)))
    talk.nack(talk.push, 'no good')
    expect(talk.due).toEqual([])
  })

  test('undoing the change is a recovery, with nothing to send', () => {
    const talk = running()
    const c = withResources(good, staticCluster('c', 2))
    talk.takeAll()
    talk.stream.retarget(good)
    talk.takeAll()
    talk.stream.retarget(c)
    talk.nack(talk.push, 'no good')
    talk.stream.retarget(good)
    expect(talk.due).toEqual([])
    expect(talk.events).toEqual(['rejected c: no good', 'recovered c'])
  })

  test('asked for anew it is tried anew, but not reported twice', () => {
    const talk = new Talk(layered(endpoints('x', 1))).ask('endpoints', ['x'])
    talk.nack(talk.push, 'no good')
    talk.nack(talk.ask('endpoints', ['x']).push, 'no good')
    expect(talk.events).toEqual(['rejected x: no good'])
  })

  test('one that was refused together with others may run all the same, so undoing it has to be sent', () => {
    const talk = running()
    talk.nack(talk.push, 'c: no good')
    talk.stream.retarget(good)
    expect(talk.takeAll().sort()).toEqual(['cluster +a +b +d', 'cluster +c'])
  })

  test('routes that work are not replaced by ones to a refused cluster', () => {
    const before = layered(staticCluster('v1'), routes('r', 'v1'))
    const talk = new Talk(before).ask('cluster').ask('routes', ['r', 'new'])
    talk.takeAll()
    const after = withResources(before, staticCluster('v2'), routes('r', 'v1', 'v2'), routes('new', 'v2'))
    talk.stream.retarget(after)
    talk.nack(talk.push, 'no good')
    expect(talk.takeAll()).toEqual(['routes +new'])
    talk.stream.retarget(withResources(after, staticCluster('v2', 2)))
    expect(talk.takeAll()).toEqual(['cluster +v2', 'routes +r'])
  })

  test('one left over of a refused response is not to blame for it', () => {
    const talk = new Talk(layered(endpoints('x', 1), endpoints('y', 1))).ask('endpoints', ['x', 'y'])
    const both = talk.push
    talk.leave('endpoints', 'x').nack(both, 'no good')
    expect(talk.takeAll()).toEqual(['endpoints +y'])
    expect(talk.events).toEqual([])
  })

  test('what cannot be put into bytes counts as refused, and the rest goes', () => {
    const talk = running()
    const unsound = unsoundCluster('c', -1)
    talk.stream.retarget(withResources(changed, unsound))
    expect(talk.takeAll()).toEqual(['cluster +a +b +d'])
    expect(talk.events).toEqual([`rejected c: ${unsound.problem}`])
    expect(unsound.problem).toContain('invalid uint32: -1')
    const again = unsoundCluster('c', -2)
    talk.stream.retarget(withResources(changed, again))
    talk.stream.retarget(withResources(changed, again, staticCluster('e')))
    expect(talk.takeAll()).toEqual(['cluster +e'])
    expect(talk.events.slice(1)).toEqual([`rejected c: ${again.problem}`])
    talk.stream.retarget(changed)
    expect(talk.takeAll()).toEqual(['cluster +c'])
    expect(talk.events.slice(2)).toEqual(['recovered c'])
  })

  test('what cannot be put into bytes does not keep others from being removed', () => {
    const route = { ...routes('r'), problem: 'no bytes' }
    const before = layered(route, httpListener('l', 1, 'r'), httpListener('m', 2, 'r'))
    const talk = new Talk(before).ask('listener').ask('routes', ['r'])
    expect(talk.takeAll()).toEqual(['listener +l +m'])
    talk.stream.retarget(withoutResources(before, 'listener', 'm'))
    expect(talk.takeAll()).toEqual(['listener -m'])
    expect(talk.events).toEqual(['rejected r: no bytes'])
  })

  test('listeners refused for one of them: the proxy keeps the last good one', () => {
    const before = layered(httpListener('l', 1, 'r'))
    const talk = new Talk(before).ask('listener')
    talk.takeAll()
    talk.stream.retarget(withResources(before, httpListener('l', 70_000, 'r')))
    talk.nack(talk.push, 'Error adding/updating listener(s) l: port')
    const [subscription] = talk.stream.subscriptions
    expect(subscription?.held('l')).toMatchObject({ version: httpListener('l', 1, 'r').version })
  })
})

describe('first answers', () => {
  const many = layered(
    ...Array.from({ length: 20 }, (_, i) => [edsCluster(`c${i}`), endpoints(`c${i}`, i)]).flat(),
    ...Array.from({ length: 20 }, (_, i) => [scope(`s${i}`, `r${i}`), routes(`r${i}`, `c${i}`)]).flat(),
  )
  const clusters = Array.from({ length: 20 }, (_, i) => `c${i}`)

  test('streams that ask for the same are sent the same bytes', () => {
    const [one, other] = [new Talk(many).ask('cluster').push, new Talk(many).ask('cluster').push]
    expect(one.resources.map(({ name }) => name).sort()).toEqual([...clusters].sort())
    expect(one.parts?.map(({ bytes }) => bytes)).toEqual(other.parts?.map(({ bytes }) => bytes))
    expect(one.parts?.[0]?.bytes).toBe(other.parts?.[0]?.bytes)
    const asked = [new Talk(many), new Talk(many)].map((talk) => talk.ask('endpoints', clusters).push)
    expect(asked[0]?.parts?.[0]?.bytes).toBe(asked[1]?.parts?.[0]?.bytes)
  })

  test('what changes while it is on its way follows it', () => {
    const talk = new Talk(many).ask('cluster')
    const first = talk.push
    talk.stream.retarget(withoutResources(withResources(many, edsCluster('c3', 9)), 'cluster', 'c4'))
    expect(talk.due).toEqual([])
    expect(talk.ack(first).due).toEqual(['cluster +c3'])
    talk.now += WAITS.drainMs
    talk.takeAll()
    expect(talk.stream.subscriptions[0]?.size).toBe(19)
  })

  test('refused, it is taken apart as any other', () => {
    const talk = new Talk(many).ask('cluster')
    talk.nack(talk.push, 'Error adding/updating cluster(s) c7: no good')
    const others = talk.push
    expect(others.resources).toHaveLength(19)
    const alone = talk.ack(others).push
    expect(brief(alone)).toBe('cluster +c7')
    talk.nack(alone, 'c7: no good')
    expect(talk.events).toEqual(['rejected c7: c7: no good'])
    expect(talk.due).toEqual([])
  })

  test('scopes wait for the endpoints of the clusters behind them', () => {
    const talk = new Talk(many).ask('cluster')
    talk.ack(talk.push)
    expect(talk.ask('scopedRoutes').due).toEqual([])
    const warm = talk.ask('endpoints', clusters.slice(0, 19)).push
    expect(talk.ack(warm).due).toEqual([])
    const last = talk.ask('endpoints', ['c19']).push
    const scopes = talk.ack(last).push
    expect(scopes.resources).toHaveLength(20)
  })

  test('names that do not exist are told after it', () => {
    const talk = new Talk(many).ask('endpoints', [...clusters, 'missing'])
    const first = talk.push
    expect(first.resources).toHaveLength(20)
    expect(talk.ack(first).takeAll()).toEqual(['endpoints -missing'])
    expect(talk.stream.subscriptions[0]?.size).toBe(20)
  })
})
