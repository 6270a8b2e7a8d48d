import { INJECTOR_WEBHOOK, SERVER_NAME, VALIDATOR_WEBHOOK } from '../resources/cluster-names.ts'
import { KINDS } from '../resources/kinds.ts'
import { type ObjectTemplate, ofCluster } from './objects.ts'
import { type Template, value, when } from './template.ts'

type Requirement = { readonly [field: string]: Template }

const isOneOf = (key: string, ...values: readonly Template[]): Requirement => ({ key, operator: 'In', values })
const isNot = (key: string, ...values: readonly Template[]): Requirement => ({ key, operator: 'NotIn', values })
const hasNo = (key: string): Requirement => ({ key, operator: 'DoesNotExist' })

const NAMESPACE_NAME = 'kubernetes.io/metadata.name'
const INJECTION = 'istio-injection'
const INJECT = 'sidecar.istio.io/inject'
const REVISION = 'istio.io/rev'

/** Whether the default revision is what is installed: only it answers to labels that name no revision. */
const IS_DEFAULT = { path: 'revision', is: 'default' }

/** The caBundle is filled in by the server, which makes the CA: it stays out of here, so that it isn't taken away again. */
function clientConfig(path: string): Template {
  return { service: { name: SERVER_NAME, namespace: value('namespace'), path, port: 443 } }
}

/** A rule of Istio's about who gets a proxy: https://istio.io/latest/docs/setup/additional-setup/sidecar-injection/ */
function injection(name: string, inNamespaces: readonly Requirement[], ofPods: readonly Requirement[]): Template {
  return {
    name: `${name}.injector.weft.dev`,
    clientConfig: clientConfig('/inject'),
    rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'], scope: 'Namespaced' }],
    namespaceSelector: {
      matchExpressions: [isNot(NAMESPACE_NAME, 'kube-system', 'kube-node-lease', value('namespace')), ...inNamespaces],
    },
    objectSelector: { matchExpressions: ofPods },
    admissionReviewVersions: ['v1'],
    sideEffects: 'None',
    // Without its proxy a pod would call in plain text, and be called so. It is made again until there is a server.
    failurePolicy: 'Fail',
    matchPolicy: 'Equivalent',
    // Other webhooks may add containers after us.
    reinvocationPolicy: 'IfNeeded',
    timeoutSeconds: 10,
  }
}

const injector: ObjectTemplate = {
  apiVersion: 'admissionregistration.k8s.io/v1',
  kind: 'MutatingWebhookConfiguration',
  metadata: ofCluster(INJECTOR_WEBHOOK, SERVER_NAME),
  webhooks: [
    injection('revision.namespace', [isOneOf(REVISION, value('revision')), hasNo(INJECTION)], [isNot(INJECT, 'false')]),
    injection(
      'revision.pod',
      [hasNo(REVISION), hasNo(INJECTION)],
      [isNot(INJECT, 'false'), isOneOf(REVISION, value('revision'))],
    ),
    when(IS_DEFAULT, injection('namespace', [isOneOf(INJECTION, 'enabled')], [isNot(INJECT, 'false')])),
    when(IS_DEFAULT, injection('pod', [hasNo(INJECTION), hasNo(REVISION)], [isOneOf(INJECT, 'true'), hasNo(REVISION)])),
  ],
}

/** Groups of the kinds that `weft analyze` knows, which are not Kubernetes' own. */
const CONFIGURATION_GROUPS = [...new Set(Object.values(KINDS).map(({ group }) => group))].filter(
  (group) => group.endsWith('.istio.io') || group === 'gateway.networking.k8s.io',
)

const validator: ObjectTemplate = {
  apiVersion: 'admissionregistration.k8s.io/v1',
  kind: 'ValidatingWebhookConfiguration',
  metadata: ofCluster(VALIDATOR_WEBHOOK, SERVER_NAME),
  webhooks: [
    {
      name: 'validator.weft.dev',
      clientConfig: clientConfig('/validate'),
      rules: [
        {
          apiGroups: CONFIGURATION_GROUPS,
          apiVersions: ['*'],
          operations: ['CREATE', 'UPDATE'],
          resources: ['*'],
          scope: '*',
        },
      ],
      admissionReviewVersions: ['v1'],
      sideEffects: 'None',
      // Configuration can be written without a server; it is checked again when there is one.
      failurePolicy: 'Ignore',
      matchPolicy: 'Equivalent',
      timeoutSeconds: 5,
    },
  ],
}

export const WEBHOOKS: readonly Template[] = [injector, when('validation', validator)]
