import type { StepName } from '../onboarding.ts'
import type { Step } from '../step.ts'
import { AUTHORIZATION, AUTHORIZATION_DRY_RUN } from './authorization.ts'
import { GATEWAY } from './gateway.ts'
import { LIMITS } from './limits.ts'
import { MUTUAL_TLS } from './mutual-tls.ts'
import { PERMISSIVE } from './permissive.ts'
import { PROXIES, PROXY_CANARY } from './proxies.ts'
import { STRICT } from './strict.ts'
import { TRAFFIC } from './traffic.ts'

/** What is done at each step. */
export const STEPS: Readonly<Record<StepName, Step>> = {
  permissive: PERMISSIVE,
  gateway: GATEWAY,
  'proxy-canary': PROXY_CANARY,
  proxies: PROXIES,
  'mutual-tls': MUTUAL_TLS,
  traffic: TRAFFIC,
  limits: LIMITS,
  'authorization-dry-run': AUTHORIZATION_DRY_RUN,
  authorization: AUTHORIZATION,
  strict: STRICT,
}
