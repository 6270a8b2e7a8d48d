import { create } from '@bufbuild/protobuf'
import { DurationSchema } from '@bufbuild/protobuf/wkt'
import type { BootstrapSchema } from '#envoy/config/bootstrap/v3/bootstrap'
import { FailurePolicy, WasmServiceSchema } from '#envoy/extensions/wasm/v3/wasm'
import type { Init } from '../routes/init.ts'
import { typedConfig } from '../typed-config.ts'

/** How Envoy's log is told to say nothing of the module that `CUSTOM_NAMES` doesn't load: for `--component-log-level`. */
export const QUIET_ABOUT_WASM = 'wasm:off'

/**
 * Has Envoy show statistics below `wasmcustom.` by their own names. It puts `envoy_` before all others in what Prometheus reads, and Istio's metrics have names of their
 * own; the one way to have these is the prefix that is set aside for statistics of Wasm modules, which is known as soon as one is configured. This one has no code to
 * be found and does nothing without it: nothing is loaded, and no memory is used.
 */
export const CUSTOM_NAMES: NonNullable<Init<typeof BootstrapSchema>['bootstrapExtensions']>[number] = {
  name: 'envoy.bootstrap.wasm',
  typedConfig: typedConfig(WasmServiceSchema, {
    singleton: true,
    config: {
      name: 'none',
      failurePolicy: FailurePolicy.FAIL_OPEN,
      vm: {
        case: 'vmConfig',
        value: {
          runtime: 'envoy.wasm.runtime.null',
          code: {
            specifier: {
              case: 'remote',
              value: {
                httpUri: {
                  uri: 'http://none.invalid/',
                  httpUpstreamType: { case: 'cluster', value: 'none' },
                  timeout: create(DurationSchema, { seconds: 1n }),
                },
                sha256: '0'.repeat(64),
                retryPolicy: {
                  numRetries: 1,
                  retryBackOff: { baseInterval: create(DurationSchema, { nanos: 1_000_000 }) },
                },
              },
            },
          },
        },
      },
    },
  }),
}
