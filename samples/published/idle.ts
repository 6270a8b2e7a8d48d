// Stands in for what only waits, as the pod of Istio's published curl sample does: somebody may call others through its sidecar.
import { setInterval } from 'node:timers'
import { onStop } from '../service/serve.ts'

const waiting = setInterval(() => {}, 2 ** 30)
console.log('waiting')
onStop(() => clearInterval(waiting))
