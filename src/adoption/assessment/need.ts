import { type Questionnaire, YES_NO } from './questionnaire.ts'
import { languageCount, ownNetworking, plainPorts, scaledShare, serviceCount, teamCount } from './seen-need.ts'

export const NEED: Questionnaire = {
  name: 'need',
  title: 'Do you need a mesh?',
  about: 'Whether the work of a mesh would pay: what it takes off you, against what it asks of you.',
  questions: [
    {
      id: 'services',
      ask: 'How many services call each other over the network?',
      why: 'What a mesh does is done for every call between services. With a handful of them a library or a gateway does it for less.',
      weight: 5,
      answers: {
        kind: 'number',
        unit: 'services',
        bands: [
          [4, 0],
          [9, 0.25],
          [19, 0.5],
          [49, 0.8],
          [Infinity, 1],
        ],
      },
      atBest: 'not yet',
      seen: 'Services in front of workloads are counted',
      see: serviceCount,
    },
    {
      id: 'languages',
      ask: 'In how many languages and frameworks are they written?',
      why: 'With one language a well-kept library can do retries, TLS and metrics for all. With several, each does them differently.',
      weight: 4,
      answers: {
        kind: 'number',
        unit: 'languages',
        bands: [
          [1, 0],
          [2, 0.5],
          [3, 0.8],
          [Infinity, 1],
        ],
      },
      seen: 'what Applications say of their technology, and what names of images give away',
      see: languageCount,
    },
    {
      id: 'networking-libraries',
      ask: 'How hard is it to keep networking code current (retries, timeouts, TLS, tracing, service discovery) in all services?',
      why: 'This is the work that a mesh takes over. Where nobody feels it, there is little to take.',
      weight: 4,
      answers: {
        kind: 'choice',
        choices: [
          {
            value: 'no-pain',
            label: 'no trouble: there is little of it, or one team keeps it current everywhere',
            score: 0,
          },
          { value: 'some', label: 'some: a few services lag behind', score: 0.4 },
          { value: 'hard', label: 'hard: upgrades take months, versions differ', score: 0.8 },
          { value: 'not-done', label: 'it is not done: nobody knows what is where', score: 1 },
        ],
      },
    },
    {
      id: 'ephemeral',
      ask: 'Do workloads come and go by themselves (autoscaling, several rollouts a day, spot nodes)?',
      why: 'Where addresses change all the time, routing, load balancing and failover must follow at once; a mesh does, static configuration does not.',
      weight: 3,
      answers: YES_NO,
      seen: 'how many Deployments are scaled by a HorizontalPodAutoscaler',
      see: scaledShare,
    },
    {
      id: 'teams',
      ask: 'How many teams release on their own?',
      why: 'What one team can agree on in a meeting, many teams need a platform for.',
      weight: 4,
      answers: {
        kind: 'number',
        unit: 'teams',
        bands: [
          [1, 0],
          [3, 0.4],
          [7, 0.8],
          [Infinity, 1],
        ],
      },
      seen: 'owners of Applications, else namespaces with workloads',
      see: teamCount,
    },
    {
      id: 'consistency',
      ask: 'Must the same rules (timeouts, retries, logging, access) hold for all services, and be shown to hold?',
      why: 'A mesh sets rules in one place and shows them at work; by hand they are as good as the last review.',
      weight: 4,
      answers: YES_NO,
    },
    {
      id: 'encryption',
      ask: 'Must traffic between services be encrypted and authenticated (regulation, contracts, zero trust)?',
      why: 'Mutual TLS with identities that rotate is the part of a mesh that is hardest to get any other way.',
      weight: 5,
      answers: {
        kind: 'choice',
        choices: [
          { value: 'no', label: 'no, and not in sight', score: 0 },
          { value: 'wished', label: 'wished for, no date', score: 0.5 },
          { value: 'required', label: 'required, and not there everywhere', score: 1 },
          { value: 'done', label: 'required, and done already by other means', score: 0.2 },
        ],
      },
      seen: 'ports that say they speak plain HTTP, gRPC or TCP',
      see: plainPorts,
    },
    {
      id: 'visibility',
      ask: 'When something is slow or fails, how long does it take to find the service where it begins?',
      why: 'Equal metrics for every call are there from the first day in a mesh, without a change to any program.',
      weight: 3,
      answers: {
        kind: 'choice',
        choices: [
          { value: 'minutes', label: 'minutes', score: 0.1 },
          { value: 'an-hour', label: 'about an hour', score: 0.5 },
          { value: 'longer', label: 'longer, or several teams in a call', score: 1 },
        ],
      },
    },
    {
      id: 'releases',
      ask: 'Do you need releases by share of traffic, failover between zones or clusters, or faults on purpose?',
      why: 'These need a proxy at the caller; a load balancer at the edge cannot do them for calls inside.',
      weight: 3,
      answers: YES_NO,
    },
    {
      id: 'own-networking',
      ask: 'Does most of the traffic go through products with clusters of their own (databases, queues), rather than between your services?',
      why: 'Such products do their own discovery and encryption; a mesh gives them little.',
      weight: 2,
      answers: {
        kind: 'choice',
        choices: [
          { value: 'mostly-services', label: 'no: mostly between our services', score: 1 },
          { value: 'half', label: 'about half', score: 0.5 },
          { value: 'mostly-products', label: 'yes: mostly databases and queues', score: 0 },
        ],
      },
      seen: 'images of known databases, queues and caches among the workloads',
      see: ownNetworking,
    },
  ],
  outcomes: [
    {
      name: 'yes',
      says: 'A mesh would pay here.',
      from: 0.6,
      next: [
        'Ask whether you are ready for one: weft adopt assess ready',
        'List what there is: weft adopt import',
        'Let somebody try it on a laptop: npm run demo, then weft learn',
      ],
    },
    {
      name: 'not yet',
      says: 'Not yet: some of what a mesh is for is there, and not enough of it.',
      from: 0.4,
      next: [
        'Put a gateway in front (Gateway API) and end TLS there: that is the first step of a mesh as well, and useful alone',
        'Name ports by protocol, and give each workload a service account, requests and a probe: it costs little and will be needed',
        'Answer again in half a year; weft adopt assess need --compare shows what has changed',
      ],
    },
    {
      name: 'no',
      says: 'No: a mesh would cost more than it gives here.',
      from: 0,
      next: [
        'For retries, timeouts and metrics use one library for your language, kept current by one team',
        'For TLS between a few services use cert-manager, or the TLS of the products themselves',
        'For encryption alone look whether your network does it (WireGuard in the CNI, encrypted links of the cloud)',
        'For visibility begin with OpenTelemetry in the programs',
      ],
    },
  ],
}
