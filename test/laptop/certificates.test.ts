// Certificates that live 20 s, for two minutes.
import { expect, test } from 'vitest'
import { BOOKINFO, PAGE, wholePage } from './bookinfo.ts'
import { startMesh } from './mesh.ts'

const MINUTES = 2

test('are renewed again and again with no failed request', { timeout: 240_000 }, async () => {
  await using mesh = await startMesh({ files: BOOKINFO, args: ['--certificate-life', '20s'] })
  const pods = await Promise.all((await mesh.pods()).map(({ name }) => mesh.pod(name)))
  const load = await mesh.load(PAGE, wholePage)
  const end = performance.now() + MINUTES * 60_000
  while (performance.now() < end) await load.more(50)
  const { requests, failures } = await load.stop()
  expect(failures).toEqual([])
  expect(requests).toBeGreaterThan(1000)
  for (const pod of pods) {
    const updates = (await pod.stats(/^sds\.default\.update_success$/)).get('sds.default.update_success')
    // Renewed at the latest at 80 % of 20 s: every 16 s.
    expect({ pod: pod.plan.key, renewed: (updates ?? 0) >= 7 }).toEqual({ pod: pod.plan.key, renewed: true })
  }
  const certificate = JSON.parse(await (pods[0] ?? expect.fail()).admin('/certs')) as {
    certificates: { cert_chain: { valid_from: string; expiration_time: string }[] }[]
  }
  const [leaf] = certificate.certificates.flatMap(({ cert_chain }) => cert_chain)
  expect(Date.parse(leaf?.expiration_time ?? '') - Date.now()).toBeLessThan(20_000)
})
