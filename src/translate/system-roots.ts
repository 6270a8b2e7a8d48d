import type { DataSourceSchema } from '#envoy/config/core/v3/base'
import type { Init } from './routes/init.ts'

/**
 * The authorities that the system trusts, where Debian, Ubuntu and with them Envoy's official images have them. By its file, since Envoy takes
 * `system_root_certs` without verifying anything.
 */
export const SYSTEM_ROOTS: Init<typeof DataSourceSchema> = {
  specifier: { case: 'filename', value: '/etc/ssl/certs/ca-certificates.crt' },
}
