import { type Lab, type LabCheck, pages, versionsText } from './lab.ts'

interface Told {
  readonly severity: string
  readonly object?: string
  readonly rule: string
}

export const BROKEN_YAML: Lab = {
  id: 'broken-yaml',
  title: 'Find what is broken in YAML',
  teaches:
    'to find a mistake in configuration before it meets traffic, and to see that what was right goes on meanwhile',
  minutes: 10,
  task: [
    'All reviews were to go to version 2, with two retries. Somebody has written learn-reviews.yaml for it, and nothing came of it.',
    'Find the mistakes with weft analyze (of the folder, or of the mesh that runs), and mend the file.',
  ],
  hints: [
    'weft analyze names file, line and field of each mistake, and often what was meant.',
    'A field is misspelled; once it is right, another mistake shows: a subset that no DestinationRule has.',
    'It is retries, and v2.',
  ],
  setup: {
    'reviews.yaml': null,
    'learn-reviews.yaml': `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: reviews }
spec:
  hosts: [reviews]
  http:
    - retires: { attempts: 2 }
      route: [{ destination: { host: reviews, subset: v22 } }]
`,
  },
  solution: {
    files: {
      'learn-reviews.yaml': `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: reviews }
spec:
  hosts: [reviews]
  http:
    - retries: { attempts: 2 }
      route: [{ destination: { host: reviews, subset: v2 } }]
`,
    },
  },
  checks: [
    {
      holds: 'there is no error about it any more',
      look: async ({ ask }) => {
        const messages = await ask<readonly Told[]>('messages')
        const errors = messages.filter(
          ({ severity, object = '' }) => severity === 'error' && object.startsWith('VirtualService'),
        )
        return {
          ok: errors.length === 0,
          found:
            errors.length === 0 ? 'there is none' : errors.map(({ rule, object }) => `${object}: ${rule}`).join(', '),
        }
      },
    },
    {
      holds: 'the route has its retries',
      look: async ({ ask }) => {
        const all =
          await ask<
            readonly { metadata: { name: string }; spec?: { http?: readonly { retries?: { attempts?: number } }[] } }[]
          >('resources/VirtualService')
        const attempts = all.find(({ metadata }) => metadata.name === 'reviews')?.spec?.http?.[0]?.retries?.attempts
        return { ok: attempts === 2, found: attempts === undefined ? 'it has none' : `attempts: ${attempts}` }
      },
    },
    {
      holds: 'all reviews come from version 2',
      look: async (world) => {
        const all = await pages(world, 12)
        return { ok: all.every(({ reviews }) => reviews === 'v2'), found: versionsText(all) }
      },
    },
  ],
}

/** What is asked in the lab of golden signals, and what is right. */
const FAILING = 'details'
const SHARE = 60
/** People read it off what came by chance. */
const NEAR = 20

function answer(key: string, holds: string, isRight: (text: string) => boolean): LabCheck {
  return {
    holds,
    look: async ({ answers }) => {
      const text = answers[key]?.trim().toLowerCase()
      if (text === undefined) return { ok: false, found: `nothing was answered: weft learn check --answer ${key}=...` }
      return { ok: isRight(text), found: `the answer was "${text}"` }
    },
  }
}

export const GOLDEN_SIGNALS: Lab = {
  id: 'golden-signals',
  title: 'Read golden signals',
  teaches: 'to tell from rate, errors and duration which service is ill, and how ill',
  minutes: 15,
  task: [
    'Users say that the page is "often incomplete". One of the services answers errors to a part of its callers, and it is not the one that is slow. Do not read the files that were added to $DEMO: look at what the mesh sees.',
    'Load the page some thirty times. Then find out which service it is, and which share of its requests fails, in percent. Tell it: weft learn check --answer service=NAME --answer share=PERCENT',
  ],
  hints: [
    'Each service is called by productpage or reviews; their proxies count what they asked, by response code.',
    'weft top shows rate, errors and durations of services; npx weft proxy-config and the metrics of a proxy have the same (istio_requests_total).',
    'Duration tells of the service that is slow, ratings. Errors tell of the other.',
    'Divide the requests with response_code 503 by all of that service.',
  ],
  setup: {
    'learn-signals.yaml': `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: details }
spec:
  hosts: [details]
  http:
    - fault: { abort: { percentage: { value: ${SHARE} }, httpStatus: 503 } }
      route: [{ destination: { host: details, subset: v1 } }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ratings }
spec:
  hosts: [ratings]
  http:
    - fault: { delay: { percentage: { value: 100 }, fixedDelay: 1s } }
      route: [{ destination: { host: ratings, subset: v1 } }]
`,
  },
  solution: { answers: { service: FAILING, share: String(SHARE) } },
  checks: [
    answer('service', 'the service that answers errors is found', (text) => text === FAILING),
    answer(
      'share',
      `the share of requests that fail is told, within ${NEAR} percent`,
      (text) => Math.abs(Number(text.replace('%', '').trim()) - SHARE) <= NEAR,
    ),
  ],
}
