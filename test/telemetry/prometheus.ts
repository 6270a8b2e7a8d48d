// A real Prometheus: Debian's package `prometheus`.
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { kill } from '../child.ts'
import { freePort } from '../free-port.ts'

export const installed = spawnSync('prometheus', ['--version']).status === 0

/** Starts one that reads a port of this machine every second. */
export async function prometheus(
  target: number,
  job = 'mesh',
): Promise<{ readonly url: string; readonly end: () => Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), 'weft-prometheus-'))
  const config = {
    scrape_configs: [
      {
        job_name: job,
        scrape_interval: '1s',
        scrape_timeout: '1s',
        static_configs: [{ targets: [`127.0.0.1:${target}`] }],
      },
    ],
  }
  writeFileSync(join(folder, 'prometheus.yml'), JSON.stringify(config))
  const port = await freePort()
  const child = spawn(
    'prometheus',
    [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    { stdio: 'ignore' },
  )
  return {
    url: `http://127.0.0.1:${port}`,
    async end() {
      await kill(child)
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
