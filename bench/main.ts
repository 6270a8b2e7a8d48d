import { parseArgs } from 'node:util'
import { laptopMeshText, measureLaptopMesh } from './laptop-mesh.ts'
import { CHANGES, type Measured, measure } from './measure.ts'
import { type Column, figure, head, row } from './table.ts'
import { measureTelemetryCost, telemetryCostText } from './telemetry-cost.ts'

const { values } = parseArgs({
  options: {
    sizes: { type: 'string', default: '100,1000,5000' },
    proxies: { type: 'string', default: '50' },
    'no-mesh': { type: 'boolean', default: false },
  },
})
const sizes = values.sizes.split(',').map(Number)
const proxies = Number(values.proxies)
if (![...sizes, proxies].every((number) => Number.isInteger(number) && number > 1)) {
  console.error('usage: npm run bench -- [--sizes 100,1000,5000] [--proxies 50] [--no-mesh], with numbers above 1')
  process.exit(2)
}

console.log(`Weft's control plane with ${proxies} simulated proxies; times are CPU of its process unless said.\n`)
const measured = new Map<number, Measured>()
for (const size of sizes) {
  process.stderr.write(`measuring ${size} services ...\n`)
  measured.set(size, await measure(size, proxies))
}

const startColumns: Column[] = [
  ['at first', 14],
  ['resources', 10],
  ['kB/proxy', 10],
  ['translate ms', 13],
  ['of it encode', 13],
  ['further proxy', 14],
  ['connect ms/proxy', 17],
]
console.log(head(startColumns))
for (const [size, { start }] of measured) {
  const { resources, kilobytes, translateMs, encodeMs, furtherProxyMs, connectMs } = start
  const cells = [resources, kilobytes, translateMs, encodeMs, furtherProxyMs, connectMs].map(figure)
  console.log(row(startColumns, [`${size} services`, ...cells]))
}

const changeColumns: Column[] = [
  ['a change', 14],
  ['services', 9],
  ['derivations', 12],
  ['encodings', 10],
  ['sent', 8],
  ['kB', 9],
  ['CPU ms', 9],
  ['wall ms', 9],
]
console.log(`\n${head(changeColumns)}`)
for (const kind of CHANGES) {
  for (const [size, { changes }] of measured) {
    const { derivations, encodings, sent, kilobytes, cpuMs, wallMs } = changes[kind]
    const cells = [derivations, encodings, sent, kilobytes, cpuMs, wallMs].map(figure)
    console.log(row(changeColumns, [kind, size, ...cells]))
  }
  const [first, last] = [measured.get(sizes[0] as number), measured.get(sizes.at(-1) as number)]
  if (!first || !last || first === last) continue
  const [small, large] = [first.changes[kind], last.changes[kind]]
  const ratios = (['derivations', 'encodings', 'sent', 'kilobytes', 'cpuMs', 'wallMs'] as const).map((field) =>
    small[field] === 0 ? '-' : `x${figure(large[field] / small[field])}`,
  )
  console.log(row(changeColumns, ['', `x${(sizes.at(-1) as number) / (sizes[0] as number)}`, ...ratios]))
}

if (!values['no-mesh']) {
  process.stderr.write('measuring a mesh of real Envoys ...\n')
  console.log(`\n${laptopMeshText(await measureLaptopMesh())}`)
  process.stderr.write('measuring what telemetry costs two sidecars ...\n')
  console.log(`\n${telemetryCostText(await measureTelemetryCost())}`)
}
