import {
  IconActivity,
  IconAlertTriangle,
  IconArrowsSplit2,
  IconBell,
  IconBox,
  IconCertificate,
  IconFileText,
  IconFlag,
  IconHistory,
  IconHome,
  IconListDetails,
  IconRoute,
  IconServer2,
  IconShieldCheck,
  IconTargetArrow,
  IconTopologyStar3,
} from '@tabler/icons-react'

/** The pages that the navigation leads to. */
export const PLACES = [
  {
    group: 'See',
    places: [
      { to: '/', text: 'Overview', icon: IconHome, about: 'health, and what needs attention' },
      { to: '/topology', text: 'Topology', icon: IconTopologyStar3, about: 'who talks to whom' },
      { to: '/signals', text: 'Signals', icon: IconActivity, about: 'rates, errors and durations' },
      { to: '/objectives', text: 'Objectives', icon: IconTargetArrow, about: 'what was promised, and what came of it' },
      { to: '/alerts', text: 'Alerts', icon: IconBell, about: 'what fires, and who is told' },
      { to: '/logs', text: 'Logs', icon: IconListDetails, about: 'requests one by one' },
      { to: '/traces', text: 'Traces', icon: IconRoute, about: 'requests through all services' },
      { to: '/changes', text: 'Changes', icon: IconHistory, about: 'what was configured when' },
    ],
  },
  {
    group: 'Mesh',
    places: [
      { to: '/services', text: 'Services', icon: IconServer2, about: 'what can be called' },
      { to: '/workloads', text: 'Workloads', icon: IconBox, about: 'what runs' },
      { to: '/adoption', text: 'Adoption', icon: IconFlag, about: 'who is on the way into the mesh' },
      { to: '/proxies', text: 'Proxies', icon: IconArrowsSplit2, about: 'Envoys, and what they have' },
    ],
  },
  {
    group: 'Security',
    places: [
      { to: '/policies', text: 'Policies', icon: IconShieldCheck, about: 'who may call whom; try a call' },
      { to: '/certificates', text: 'Certificates', icon: IconCertificate, about: 'who holds what, until when' },
    ],
  },
  {
    group: 'Configuration',
    places: [
      { to: '/configuration', text: 'Objects', icon: IconFileText, about: 'what was written' },
      { to: '/findings', text: 'Findings', icon: IconAlertTriangle, about: 'what is wrong with it' },
    ],
  },
] as const
