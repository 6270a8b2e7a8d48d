import type { Check } from '../check.ts'
import { customByToken, missingAuthorizer, targetWithoutEffect } from './authorization-policy.ts'
import { httpRuleForTcp } from './authorization-policy-tcp.ts'
import { impossibleAuthorizationRule } from './authorization-policy-values.ts'
import { badRegex } from './bad-regex.ts'
import { badDelegate } from './delegates.ts'
import {
  destinationRuleWithoutHost,
  duplicateSubset,
  failoverWithoutOutliers,
  ignoredTrafficPolicy,
} from './destination-rules.ts'
import { fieldNotSupported } from './field-not-supported.ts'
import { missingBackend, referenceNotGranted } from './gateway-api-backends.ts'
import { listenerConflict, listenerTls, unknownGatewayClass } from './gateway-api-gateways.ts'
import { hostnameNotAtListener, missingParent, routeNotAllowed } from './gateway-api-parents.ts'
import { hostClaimedTwice, hostSharedAtGateway } from './host-claimed-twice.ts'
import { impossibleHeaderName, valueWithoutEffect } from './http-values.ts'
import { incompleteVirtualService } from './incomplete-virtual-service.ts'
import { gatewayDuplicateHost, gatewayPortConflict, gatewayTls, hostNotAtGateway } from './istio-gateway.ts'
import { meshConfigUnreadable, meshSettingNotSupported } from './mesh-config.ts'
import { missingCredential } from './missing-credential.ts'
import { missingGateway } from './missing-gateway.ts'
import { mtlsConflict } from './mtls-conflict.ts'
import {
  alertRuleElsewhere,
  impossibleObjective,
  receiverSecretElsewhere,
  unknownObjectiveTarget,
  unmeasurableLatency,
} from './objectives.ts'
import { oidcPathTaken, oidcProviderUnknown, oidcSecretMissing, oidcTargets, oidcWithoutTls } from './oidc-policies.ts'
import { portMtlsWithoutSelector, severalPeerAuthentications } from './peer-authentication.ts'
import { hostNetwork, portOfProxy } from './pods.ts'
import { tokenKeysMissing } from './request-authentication.ts'
import { routeNeedsPort } from './route-needs-port.ts'
import { routeToMissingHost } from './route-to-missing-host.ts'
import { routeToMissingPort } from './route-to-missing-port.ts'
import { routeToMissingSubset } from './route-to-missing-subset.ts'
import { impossibleWeights, unusualWeights } from './route-weights.ts'
import { gatewayWithoutPods, selectorWithoutPods } from './selector-without-pods.ts'
import { serviceEntryHostTaken } from './service-entry-host-taken.ts'
import { missingTargetPort, portWithTwoProtocols, serviceWithoutPods, unnamedProtocol } from './services.ts'
import { routedSubsetWithoutPods, subsetWithoutPods } from './subset-without-pods.ts'
import { unreachableRule } from './unreachable-rule.ts'
import { unusableCredential } from './unusable-credential.ts'
import { virtualServiceWithoutService } from './virtual-service-hosts.ts'

/** Every check, grouped by what it looks at. */
export const CHECKS: readonly Check[] = [
  routeToMissingHost,
  routeToMissingSubset,
  routeToMissingPort,
  routeNeedsPort,
  missingGateway,
  impossibleWeights,
  unusualWeights,
  hostClaimedTwice,
  hostSharedAtGateway,
  hostNotAtGateway,
  virtualServiceWithoutService,
  badDelegate,
  incompleteVirtualService,
  unreachableRule,
  badRegex,
  impossibleHeaderName,
  valueWithoutEffect,
  destinationRuleWithoutHost,
  duplicateSubset,
  ignoredTrafficPolicy,
  failoverWithoutOutliers,
  routedSubsetWithoutPods,
  subsetWithoutPods,
  portMtlsWithoutSelector,
  severalPeerAuthentications,
  mtlsConflict,
  impossibleAuthorizationRule,
  httpRuleForTcp,
  missingAuthorizer,
  customByToken,
  targetWithoutEffect,
  tokenKeysMissing,
  oidcSecretMissing,
  oidcProviderUnknown,
  oidcWithoutTls,
  oidcTargets,
  oidcPathTaken,
  meshConfigUnreadable,
  meshSettingNotSupported,
  selectorWithoutPods,
  gatewayWithoutPods,
  gatewayPortConflict,
  gatewayDuplicateHost,
  gatewayTls,
  missingCredential,
  unusableCredential,
  missingParent,
  routeNotAllowed,
  hostnameNotAtListener,
  missingBackend,
  referenceNotGranted,
  unknownGatewayClass,
  listenerConflict,
  listenerTls,
  serviceEntryHostTaken,
  serviceWithoutPods,
  unnamedProtocol,
  missingTargetPort,
  portWithTwoProtocols,
  hostNetwork,
  portOfProxy,
  impossibleObjective,
  unmeasurableLatency,
  unknownObjectiveTarget,
  alertRuleElsewhere,
  receiverSecretElsewhere,
  fieldNotSupported,
]
