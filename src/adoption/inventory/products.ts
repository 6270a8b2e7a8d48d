/** A product that is known to need care in a mesh. */
export interface Product {
  readonly name: string
  /** Names of images (the last part, without tag) that are it. */
  readonly images: RegExp
  /** Ports of it, by which it is recognized where the image has another name. */
  readonly ports: readonly number[]
  readonly hurt: Hurt
  /** What to do: exempt, or how it can be done. */
  readonly advice: string
}

/** Ways in which a mesh is known to hurt. */
export type Hurt = 'quorum' | 'redis-cluster' | 'direct-pod-to-pod' | 'server-first' | 'udp'

/** In words, for warnings. */
export const HURTS: Readonly<Record<Hurt, string>> = {
  quorum:
    'its members vote among themselves by the addresses of pods: a proxy that starts late, or a rule that meets some of them only, can cost the quorum',
  'redis-cluster':
    'its members tell clients the addresses of pods (MOVED), and talk to each other on a second port with a protocol of its own',
  'direct-pod-to-pod': 'its members, or its clients, connect to pods by address rather than to a Service',
  'server-first':
    'the server speaks first, so that the protocol cannot be found by looking at the first bytes, and under PERMISSIVE a connection waits',
  udp: 'it speaks UDP, which proxies beside pods pass by: it is neither encrypted nor counted',
}

const EXEMPT_MEMBERS =
  'exempt it at first (spec.exempt), or leave its members among themselves alone: annotation traffic.sidecar.istio.io/excludeInboundPorts and excludeOutboundPorts with the ports between members, and let only clients use the mesh'

/** Ports and images as the projects publish them. */
const PRODUCTS: readonly Product[] = [
  {
    name: 'ZooKeeper',
    images: /zookeeper/,
    ports: [2888, 3888],
    hurt: 'quorum',
    advice: `${EXEMPT_MEMBERS} (2888, 3888); with quorumListenOnAllIPs=true it can be meshed whole`,
  },
  {
    name: 'etcd',
    images: /^etcd/,
    ports: [2380],
    hurt: 'quorum',
    advice: `${EXEMPT_MEMBERS} (2380); it has TLS of its own`,
  },
  {
    name: 'Consul',
    images: /^consul/,
    ports: [8300, 8301, 8302],
    hurt: 'quorum',
    advice: `${EXEMPT_MEMBERS} (8300 to 8302)`,
  },
  {
    name: 'Kafka',
    images: /kafka/,
    ports: [9092, 9093],
    hurt: 'direct-pod-to-pod',
    advice:
      'name its ports tcp-..., give brokers a headless Service, and have them advertise names of pods rather than addresses; else exempt it and use its own TLS',
  },
  {
    name: 'Cassandra',
    images: /cassandra|scylla/,
    ports: [7000, 7001, 9042],
    hurt: 'direct-pod-to-pod',
    advice: `${EXEMPT_MEMBERS} (7000, 7001)`,
  },
  {
    name: 'Elasticsearch',
    images: /elasticsearch|opensearch/,
    ports: [9300],
    hurt: 'direct-pod-to-pod',
    advice: `${EXEMPT_MEMBERS} (9300)`,
  },
  {
    name: 'RabbitMQ',
    images: /rabbitmq/,
    ports: [25672, 4369],
    hurt: 'quorum',
    advice: `${EXEMPT_MEMBERS} (4369, 25672)`,
  },
  {
    name: 'NATS',
    images: /^nats/,
    ports: [4222, 6222],
    hurt: 'server-first',
    advice: 'name its client port tcp-..., and exclude 6222 between members',
  },
  {
    name: 'Redis Cluster',
    images: /redis-cluster/,
    ports: [16379],
    hurt: 'redis-cluster',
    advice: 'exempt it, or use single Redis with replicas behind a Service; name its port tcp-redis',
  },
  {
    name: 'Galera',
    images: /galera/,
    ports: [4567, 4568, 4444],
    hurt: 'quorum',
    advice: `${EXEMPT_MEMBERS} (4444, 4567, 4568)`,
  },
  {
    name: 'MySQL',
    images: /^(mysql|mariadb|percona)/,
    ports: [3306],
    hurt: 'server-first',
    advice:
      'name its port tcp-mysql (or appProtocol: mysql); go from PERMISSIVE to STRICT only when all its clients have proxies',
  },
  {
    name: 'PostgreSQL',
    images: /^(postgres|postgresql|timescaledb|pgbouncer)/,
    ports: [5432],
    hurt: 'server-first',
    advice:
      'name its port tcp-postgres; its clients ask for TLS inside of the protocol: switch that off (sslmode=disable) or leave it, mesh mTLS goes around both',
  },
  {
    name: 'MongoDB',
    images: /^mongo/,
    ports: [27017],
    hurt: 'server-first',
    advice: 'name its port tcp-mongo; replica sets must advertise names of a headless Service',
  },
  {
    name: 'an SMTP server',
    images: /postfix|exim|smtp|mailhog|mailpit/,
    ports: [25, 587],
    hurt: 'server-first',
    advice: 'name its port tcp-smtp',
  },
  {
    name: 'an SSH or FTP server',
    images: /sftp|ftpd|openssh/,
    ports: [21, 22],
    hurt: 'server-first',
    advice: 'name its port tcp-..., FTP in passive mode needs its data ports excluded',
  },
  {
    name: 'Hazelcast',
    images: /hazelcast/,
    ports: [5701],
    hurt: 'direct-pod-to-pod',
    advice: `${EXEMPT_MEMBERS} (5701)`,
  },
  {
    name: 'Akka or Pekko Cluster',
    images: /akka|pekko/,
    ports: [2552, 25520],
    hurt: 'direct-pod-to-pod',
    advice: `${EXEMPT_MEMBERS} (25520)`,
  },
]

/** The product that an image is, by the last part of its name. */
export function knownProduct(image: string): Product | undefined {
  const name = (image.split('@')[0] ?? '').split('/').at(-1)?.split(':')[0] ?? ''
  return PRODUCTS.find(({ images }) => images.test(name))
}

/** The product of that name, as people may have written it. */
export function productNamed(name: string): Product | undefined {
  const wanted = name.toLowerCase()
  return PRODUCTS.find((product) => product.name.toLowerCase() === wanted) ?? knownProduct(wanted.replaceAll(' ', '-'))
}
