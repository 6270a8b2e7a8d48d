import type { Any } from '@bufbuild/protobuf/wkt'
import { type FaultAbortSchema, HTTPFaultSchema } from '#envoy/extensions/filters/http/fault/v3/fault'
import type { HttpFault } from '../../resources/istio.ts'
import { typedConfig } from '../typed-config.ts'
import { envoyDuration } from './duration.ts'
import { fraction } from './fraction.ts'
import type { Init } from './init.ts'

/** gRPC's status codes by the names that `fault.abort.grpcStatus` takes. */
const GRPC_STATUS: Readonly<Record<string, number>> = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
}

/**
 * `fault` as the configuration of the fault filter for one route; undefined when nothing of it can take effect. Without a percentage no request is
 * touched: so say Istio's docs of both delay and abort.
 */
export function faultConfig(fault: HttpFault): Any | undefined {
  const { delay, abort } = fault
  const fixedDelay = delay?.fixedDelay === undefined ? undefined : envoyDuration(delay.fixedDelay)
  const error = abort ? abortError(abort) : undefined
  if (!fixedDelay && !error) return undefined
  return typedConfig(HTTPFaultSchema, {
    ...(fixedDelay
      ? {
          delay: {
            faultDelaySecifier: { case: 'fixedDelay', value: fixedDelay },
            percentage: fraction(delay?.percentage?.value ?? delay?.percent ?? 0),
          },
        }
      : {}),
    ...(error ? { abort: { errorType: error, percentage: fraction(abort?.percentage?.value ?? 0) } } : {}),
  })
}

function abortError(abort: NonNullable<HttpFault['abort']>): Init<typeof FaultAbortSchema>['errorType'] | undefined {
  if (abort.httpStatus !== undefined) return { case: 'httpStatus', value: abort.httpStatus }
  const status = GRPC_STATUS[abort.grpcStatus ?? '']
  return status === undefined ? undefined : { case: 'grpcStatus', value: status }
}
