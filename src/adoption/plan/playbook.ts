import type { Block, ReportDocument } from '../report/document.ts'
import type { Bucket, Traits } from './buckets.ts'
import type { Plan } from './plan.ts'
import { rolloutOf } from './rollout.ts'

/** How applications of a bucket are brought in, step by step, for those who do it. */
export function playbookOf(bucket: Bucket, plan: Plan): ReportDocument {
  const { traits, applications } = bucket
  const steps = plan.waves.flatMap(({ number, steps }) => steps.map((step) => ({ ...step, number })))
  const files = new Map(rolloutOf(traits).map(({ name }) => [name[0], name]))
  return {
    title: `Playbook: ${bucket.name}`,
    subtitle: `${applications.length} ${applications.length === 1 ? 'application' : 'applications'}: ${traitsText(traits)}`,
    blocks: [
      {
        headings: ['application', 'team', 'wave', 'STRICT after wave'],
        rows: steps
          .filter(({ bucket: name }) => name === bucket.name)
          .map(({ application, team = 'nobody', number, strictAfter }) => [
            application,
            team,
            number,
            strictAfter ?? 'not while others call it from outside',
          ]),
      },
      { heading: 'Before' },
      { todo: before(traits).map((text) => ({ text, done: false })) },
      { heading: 'Steps, for each application' },
      {
        text: 'Each step waits for the check of the one before; who undoes a step undoes it by taking its file away again.',
      },
      ...STEPS.flatMap(({ number, title, does, check, undo }): Block[] => {
        const file = files.get(String(number))
        if (file === undefined) return []
        return [
          { heading: `${number}. ${title}`, level: 3 },
          { list: [`Apply rollout/${file}. ${does}`, `Check: ${check}`, `Undo: ${undo}`] },
        ]
      }),
      ...(hints(traits).length > 0 ? [{ heading: 'Mind' } as const, { list: hints(traits) }] : []),
    ],
  }
}

function traitsText({ criticality, protocol, compliance, platform, framework }: Traits): string {
  return [
    `criticality ${criticality}`,
    `${protocol === 'server-first' ? 'TCP, the server speaks first' : protocol.toUpperCase()}`,
    ...(compliance.length > 0 ? [compliance.join(', ')] : []),
    ...(platform === 'vm' ? ['on virtual machines'] : []),
    ...(framework ? [framework] : []),
  ].join(', ')
}

function before({ criticality, compliance, protocol }: Traits): string[] {
  return [
    'weft adopt precheck APP finds nothing that stands in the way',
    'The team has its dashboard and alerts on errors and latency, and somebody of it takes part',
    'There is a day without a release, and a number to call',
    ...(criticality === 'high' || criticality === 'critical'
      ? [
          'The same was done in an environment beside production, with load',
          'Somebody who may undo it is on call for 24 hours after each step',
        ]
      : []),
    ...(compliance.length > 0
      ? [`Security has agreed to what is proof for ${compliance.join(', ')}, and where it is kept`]
      : []),
    ...(protocol === 'server-first' ? ['Ports of its Services are named tcp-..., or have an appProtocol'] : []),
  ]
}

interface PlaybookStep {
  readonly number: number
  readonly title: string
  readonly does: string
  readonly check: string
  readonly undo: string
}

const STEPS: readonly PlaybookStep[] = [
  {
    number: 1,
    title: 'PERMISSIVE',
    does: 'Nothing changes yet: it says that plaintext is still taken when the proxy comes.',
    check: 'weft analyze says nothing about it.',
    undo: 'remove the object.',
  },
  {
    number: 2,
    title: 'Through a gateway',
    does: 'Callers from outside are led through the gateway: first some of them, by DNS weight or at the old load balancer.',
    check: 'the same answers by both ways; no more errors than before, for a day.',
    undo: 'lead them back by DNS or at the old load balancer; then remove the object.',
  },
  {
    number: 3,
    title: 'Proxies, instance by instance',
    does: 'One pod first, then all: a rollout of the Deployment does it one after the other.',
    check:
      'weft proxy-status shows every pod SYNCED; errors and p99 are as in the week before, give or take what docs/performance.md says a proxy costs.',
    undo: 'remove the label, and let the rollout run again.',
  },
  {
    number: 4,
    title: 'Mutual TLS from callers that can',
    does: 'Callers with a proxy use mutual TLS; the others go on as before.',
    check: 'weft describe service shows mutual TLS; no connection errors on either side.',
    undo: 'remove the object.',
  },
  {
    number: 5,
    title: 'Traffic settings',
    does: 'Replaces the DestinationRule of step 4. Put the timeout in from what was observed.',
    check: 'no more 504s than there were slow answers before; retries stay below one in fifty requests.',
    undo: 'apply rollout/4-mutual-tls.yaml again, and remove the VirtualService if there is one.',
  },
  {
    number: 6,
    title: 'Who may call it',
    does: 'List every caller that traffic showed in a month, those that come once a month too.',
    check: 'weft authz check for each caller before; afterwards no denied request that was allowed before.',
    undo: 'remove the object.',
  },
  {
    number: 7,
    title: 'STRICT',
    does: 'Plaintext is refused from now on.',
    check:
      'before: no plaintext in the window that was agreed (30 days, where something runs once a month). Afterwards: no connection refused that nobody expected.',
    undo: 'apply rollout/1-permissive.yaml again; it is in force within a second.',
  },
]

/** What is known to go wrong with some. */
const FRAMEWORKS: readonly (readonly [pattern: RegExp, hint: string])[] = [
  [
    /spring/,
    'Spring Boot: give the management port (actuator) a name of its own in the Service, and probes a path that does not call others; turn the client-side load balancer (Ribbon, Spring Cloud LoadBalancer) and retries off when the mesh does them.',
  ],
  [
    /node|express|nest/,
    'Node: server.keepAliveTimeout is 5 s; set it longer than the idle timeout of callers (65 s), else there are resets between requests.',
  ],
  [
    /\.?net|asp/,
    '.NET: HttpClient keeps connections and their addresses for ever; set PooledConnectionLifetime, or leave addresses to the proxy.',
  ],
  [
    /django|flask|gunicorn|python/,
    'Gunicorn: its sync workers close each connection after 2 s idle; use --keep-alive 65, or gthread workers.',
  ],
  [
    /php|laravel|symfony/,
    'PHP-FPM speaks FastCGI, not HTTP: the proxy stands in front of the web server in the same pod.',
  ],
  [
    /^go|golang/,
    'Go: programs that dial IP addresses directly go by the proxy as plain TCP; let them dial names of Services.',
  ],
  [/akka|pekko/, 'Akka and Pekko: exclude the port of remoting (25520) from capture.'],
]

function hints({ framework, protocol, platform }: Traits): string[] {
  return [
    ...FRAMEWORKS.flatMap(([pattern, hint]) => (pattern.test(framework) ? [hint] : [])),
    ...(protocol === 'grpc'
      ? [
          'gRPC: without a mesh all requests of a client go to one pod; with one they are spread. Look at the load of pods after step 3.',
        ]
      : []),
    ...(protocol === 'tcp'
      ? ['TCP: long connections stay on the old way until they are closed; restart clients where they never close.']
      : []),
    ...(protocol === 'server-first'
      ? [
          'The server speaks first: with PERMISSIVE the proxy waits for the first bytes of a client unless the port is declared TCP. Go to STRICT soon.',
        ]
      : []),
    ...(protocol === 'udp'
      ? ['UDP goes by the proxy: it is neither encrypted nor counted, and STRICT does not stop it.']
      : []),
    ...(platform === 'vm'
      ? [
          'Virtual machines join by a token; see weft agent --help, and leave the old firewall rules in place until STRICT.',
        ]
      : []),
  ]
}
