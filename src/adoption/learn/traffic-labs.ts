import { type Lab, pages, versionsText } from './lab.ts'

/** All requests of one kind get one version. */
const ENOUGH = 12

export const ROUTING: Lab = {
  id: 'routing',
  title: 'Route by user',
  teaches: 'to send some requests to another version, by a header',
  minutes: 10,
  task: [
    'Version 2 of reviews is to be tried by one person before anybody else sees it.',
    'Write a VirtualService for the host reviews into a file in $DEMO, so that jason (header end-user: jason) gets subset v2, and everybody else subset v1.',
    'The subsets are there, in $DEMO/destination-rules.yaml. Look at the page as jason (sign in, any password) and signed out.',
  ],
  hints: [
    'A VirtualService has a list of rules under spec.http; the first that matches decides.',
    'A rule with match.headers.end-user.exact comes first; one without match takes all others.',
    'samples/bookinfo/try/reviews-jason-v2.yaml is such a one.',
  ],
  setup: { 'reviews.yaml': null },
  solution: {
    files: {
      'reviews.yaml': `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: reviews }
spec:
  hosts: [reviews]
  http:
    - match: [{ headers: { end-user: { exact: jason } } }]
      route: [{ destination: { host: reviews, subset: v2 } }]
    - route: [{ destination: { host: reviews, subset: v1 } }]
`,
    },
  },
  checks: [
    {
      holds: 'jason gets version 2',
      look: async (world) => {
        const all = await pages(world, ENOUGH, 'jason')
        return { ok: all.every(({ reviews }) => reviews === 'v2'), found: versionsText(all) }
      },
    },
    {
      holds: 'everybody else gets version 1',
      look: async (world) => {
        const all = await pages(world, ENOUGH)
        return { ok: all.every(({ reviews }) => reviews === 'v1'), found: versionsText(all) }
      },
    },
  ],
}

export const CANARY: Lab = {
  id: 'canary',
  title: 'A tenth of all requests',
  teaches: 'to bring a version out by share of requests',
  minutes: 10,
  task: [
    'Version 3 of reviews is good, as far as jason can tell. Now a tenth of all requests is to get it, the rest version 1, and none version 2.',
    'Do it by a VirtualService in $DEMO, or by weft shift.',
  ],
  hints: [
    'A route may have several destinations, each with a weight; together they are 100.',
    'weft shift --help shows how to do it without writing YAML.',
  ],
  setup: { 'reviews.yaml': null },
  solution: {
    files: {
      'reviews.yaml': `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: reviews }
spec:
  hosts: [reviews]
  http:
    - route:
        - { destination: { host: reviews, subset: v1 }, weight: 90 }
        - { destination: { host: reviews, subset: v3 }, weight: 10 }
`,
    },
  },
  checks: [
    {
      holds: 'of 100 requests between 1 and 30 get version 3, all others version 1',
      look: async (world) => {
        const all = await pages(world, 100)
        const count = (version: string) => all.filter(({ reviews }) => reviews === version).length
        const [first, third] = [count('v1'), count('v3')]
        return { ok: third >= 1 && third <= 30 && first + third === all.length, found: versionsText(all) }
      },
    },
  ],
}

export const FAILING_DEPENDENCY: Lab = {
  id: 'failing-dependency',
  title: 'Contain a dependency that hangs',
  teaches: 'to keep a slow service from making all others slow',
  minutes: 15,
  task: [
    'ratings hangs: every answer takes seven seconds (the file learn-ratings.yaml does that; leave it as it is). reviews waits for it, productpage waits for reviews, twice; so everybody waits for six seconds.',
    'Have the page come at once, even if it says that there are no reviews just now. Change nothing but the routes of reviews.',
  ],
  hints: [
    'Who waits is productpage, for reviews: the limit belongs to the route to reviews.',
    'A rule of a VirtualService has a timeout. What is a good one, if reviews usually takes a tenth of a second?',
    'spec.http[0].timeout: 0.5s, with retries.attempts: 0 so that nobody waits twice.',
  ],
  setup: {
    'learn-ratings.yaml': `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ratings }
spec:
  hosts: [ratings]
  http:
    - fault: { delay: { percentage: { value: 100 }, fixedDelay: 7s } }
      route: [{ destination: { host: ratings, subset: v1 } }]
`,
    'reviews.yaml': `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: reviews }
spec:
  hosts: [reviews]
  http:
    - route: [{ destination: { host: reviews, subset: v2 } }]
`,
  },
  solution: {
    files: {
      'reviews.yaml': `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: reviews }
spec:
  hosts: [reviews]
  http:
    - timeout: 0.5s
      retries: { attempts: 0 }
      route: [{ destination: { host: reviews, subset: v2 } }]
`,
    },
  },
  checks: [
    {
      holds: 'ratings still hangs: the cause was not taken away',
      look: async ({ ask }) => {
        const all =
          await ask<
            readonly { metadata: { name: string }; spec?: { http?: readonly { fault?: { delay?: object } }[] } }[]
          >('resources/VirtualService')
        const hangs = all.some(
          ({ metadata, spec }) => metadata.name === 'ratings' && spec?.http?.some(({ fault }) => fault?.delay),
        )
        return { ok: hangs, found: hangs ? 'it does' : 'learn-ratings.yaml is gone, or was changed' }
      },
    },
    {
      holds: 'reviews are sent to version 2, which asks ratings',
      look: async ({ ask }) => {
        const all =
          await ask<
            readonly {
              metadata: { name: string }
              spec?: { http?: readonly { route?: readonly { destination: { subset?: string } }[] }[] }
            }[]
          >('resources/VirtualService')
        const subsets = all
          .filter(({ metadata }) => metadata.name === 'reviews')
          .flatMap(({ spec }) => spec?.http ?? [])
          .flatMap(({ route = [] }) => route.map(({ destination }) => destination.subset))
        return {
          ok: subsets.length > 0 && subsets.every((each) => each === 'v2'),
          found: subsets.length > 0 ? `to ${subsets.join(', ')}` : 'there is no route for reviews',
        }
      },
    },
    {
      // Two tries of three seconds each take six; what is contained needs one.
      holds: 'the page comes in less than five seconds, with the details of the book',
      look: async (world) => {
        const all = await pages(world, 3)
        const fastest = Math.min(...all.map(({ milliseconds }) => milliseconds))
        const details = all.every(({ status, unavailable }) => status === 200 && !unavailable.includes('details'))
        return {
          ok: fastest < 5000 && details,
          found: `the fastest of ${all.length} took ${(fastest / 1000).toFixed(1)} s${details ? '' : ', and there were no details'}`,
        }
      },
    },
  ],
}
