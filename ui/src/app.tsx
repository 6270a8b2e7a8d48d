import { lazy, Suspense } from 'react'
import { Link, Route, Switch } from 'wouter'
import { AdoptionPage } from './pages/adoption.tsx'
import { CertificatesPage } from './pages/certificates.tsx'
import { ConfigurationPage } from './pages/configuration.tsx'
import { FindingsPage } from './pages/findings.tsx'
import { ObjectPage } from './pages/object.tsx'
import { OverviewPage } from './pages/overview.tsx'
import { PoliciesPage } from './pages/policies.tsx'
import { ProxiesPage } from './pages/proxies.tsx'
import { ProxyPage } from './pages/proxy.tsx'
import { ServicePage } from './pages/service.tsx'
import { ServicesPage } from './pages/services.tsx'
import { WorkloadPage } from './pages/workload.tsx'
import { WorkloadsPage } from './pages/workloads.tsx'
import { Empty } from './parts/answered.tsx'
import { Page } from './parts/page.tsx'
import { Shell } from './shell/shell.tsx'

/** Large, and not what people look at first. */
const TopologyPage = lazy(() => import('./topology/topology-page.tsx'))
const SignalsPage = lazy(() => import('./telemetry/signals-page.tsx'))
const LogsPage = lazy(() => import('./telemetry/logs-page.tsx'))
const TracesPage = lazy(() => import('./telemetry/traces-page.tsx'))
const TracePage = lazy(() => import('./telemetry/trace-page.tsx'))
const WhyPage = lazy(() => import('./telemetry/why-page.tsx'))
const ObjectivesPage = lazy(() => import('./alerts/objectives-page.tsx'))
const AlertsPage = lazy(() => import('./alerts/alerts-page.tsx'))
const ChangesPage = lazy(() => import('./telemetry/changes-page.tsx'))

/** Which page is at which place. */
export function App() {
  return (
    <Shell>
      <Suspense fallback={<p className="muted">Loading …</p>}>
        <Switch>
          <Route path="/" component={OverviewPage} />
          <Route path="/services" component={ServicesPage} />
          <Route path="/services/:host">{({ host }) => <ServicePage key={host} host={host} />}</Route>
          <Route path="/workloads" component={WorkloadsPage} />
          <Route path="/workloads/:namespace/:name">
            {({ namespace, name }) => <WorkloadPage key={`${namespace}/${name}`} workload={`${namespace}/${name}`} />}
          </Route>
          <Route path="/proxies" component={ProxiesPage} />
          <Route path="/proxies/:namespace/:name">
            {({ namespace, name }) => <ProxyPage key={`${namespace}/${name}`} proxy={`${namespace}/${name}`} />}
          </Route>
          <Route path="/adoption" component={AdoptionPage} />
          <Route path="/policies" component={PoliciesPage} />
          <Route path="/certificates" component={CertificatesPage} />
          <Route path="/configuration" component={ConfigurationPage} />
          <Route path="/configuration/:id/*">
            {(params) => <ObjectPage id={decodeURIComponent(params.id)} objectKey={params['*'] ?? ''} />}
          </Route>
          <Route path="/findings" component={FindingsPage} />
          <Route path="/topology" component={TopologyPage} />
          <Route path="/signals" component={SignalsPage} />
          <Route path="/logs" component={LogsPage} />
          <Route path="/traces" component={TracesPage} />
          <Route path="/traces/:id">{({ id }) => <TracePage id={id} />}</Route>
          <Route path="/why" component={WhyPage} />
          <Route path="/changes" component={ChangesPage} />
          <Route path="/objectives" component={ObjectivesPage} />
          <Route path="/alerts" component={AlertsPage} />
          <Route>
            <Page title="Nothing is here">
              <Empty title="There is no such page">
                Press <kbd className="key">/</kbd> to search, or go to the{' '}
                <Link className="plain" to="/">
                  overview
                </Link>
                .
              </Empty>
            </Page>
          </Route>
        </Switch>
      </Suspense>
    </Shell>
  )
}
