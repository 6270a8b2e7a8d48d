import { INJECTOR_WEBHOOK, SERVER_NAME, VALIDATOR_WEBHOOK } from '../resources/cluster-names.ts'
import { KINDS } from '../resources/kinds.ts'
import { type ObjectTemplate, ofCluster } from './objects.ts'
import { type Template, value, when } from './template.ts'

type Requirement = { readonly [field: string]: Template }

const isOneOf = (key: string, ...values: readonly Template[]): Requirement => ({ key, operator: 'In', values })
const isNot = (key: string, ...values: readonly Template[]): Requirement => ({ key, operator: 'NotIn', values })
const hasNo = (key: string): Requirement => ({ key, operator: 'DoesNotExist' })

const NAMESPACE_NAME = 'kubernetes.io/metadata.name'
/** Labels of namespaces: ours, which comes first, and Istio's. */
const OF_NAMESPACE = 'weft.dev/inject'
const INJECTION = 'istio-injection'
/** Of pods, likewise. */
const OF_POD = 'weft.dev/inject'
const INJECT = 'sidecar.istio.io/inject'
const REVISION = 'istio.io/rev'

/** What the namespaces have to be that say nothing: then pods speak for themselves. */
const SILENT = [hasNo(OF_NAMESPACE), hasNo(INJECTION), hasNo(REVISION)]
const NOT_OPTED_OUT = [isNot(OF_POD, 'false'), isNot(INJECT, 'false')]

/** Whether the default revision is what is installed: only it answers to labels that name no revision. */
const IS_DEFAULT = { path: 'revision', is: 'default' }

/** The caBundle is filled in by the server, which makes the CA: it stays out of here, so that it isn't taken away again. */
function clientConfig(path: string): Template {
  return { service: { name: SERVER_NAME, namespace: value('namespace'), path, port: 443 } }
}

/** A rule about who gets a proxy, as Istio has them; src/injection/decision.ts decides: https://istio.io/latest/docs/setup/additional-setup/sidecar-injection/ */
function injection(name: string, inNamespaces: readonly Requirement[], ofPods: readonly Requirement[]): Template {
  return {
    name: `${name}.injector.weft.dev`,
    clientConfig: clientConfig('/inject'),
    rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'], scope: 'Namespaced' }],
    namespaceSelector: {
      matchExpressions: [
        isNot(NAMESPACE_NAME, 'kube-system', 'kube-public', 'kube-node-lease', value('namespace')),
        ...inNamespaces,
      ],
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
  // For every pod one of them at most.
  webhooks: [
    injection(
      'revision.namespace',
      [hasNo(OF_NAMESPACE), hasNo(INJECTION), isOneOf(REVISION, value('revision'))],
      NOT_OPTED_OUT,
    ),
    injection('revision.pod', SILENT, [...NOT_OPTED_OUT, isOneOf(REVISION, value('revision'))]),
    when(IS_DEFAULT, injection('namespace', [isOneOf(OF_NAMESPACE, 'enabled', 'true')], NOT_OPTED_OUT)),
    when(IS_DEFAULT, injection('istio.namespace', [hasNo(OF_NAMESPACE), isOneOf(INJECTION, 'enabled')], NOT_OPTED_OUT)),
    when(IS_DEFAULT, injection('pod', SILENT, [isOneOf(OF_POD, 'true'), hasNo(REVISION)])),
    when(IS_DEFAULT, injection('istio.pod', SILENT, [hasNo(OF_POD), isOneOf(INJECT, 'true'), hasNo(REVISION)])),
  ],
}

/** Groups of the kinds that `weft analyze` knows, which are not Kubernetes' own. */
const CONFIGURATION_GROUPS = [...new Set(Object.values(KINDS).map(({ group }) => group))].filter(
  (group) => group.endsWith('.istio.io') || group.endsWith('.weft.dev') || group === 'gateway.networking.k8s.io',
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
      timeoutSeconds: 10,
    },
  ],
}

export const WEBHOOKS: readonly Template[] = [injector, when('validation', validator)]
