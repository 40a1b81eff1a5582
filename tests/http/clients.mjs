// Published clients, as their users write them, against a running server: URL KEY. Each says what it did on a line.

import { OpenMeter } from '@openmeter/sdk'
import { CloudEvent, HTTP } from 'cloudevents'

const [url, key] = process.argv.slice(2)
const attributes = { type: 'api_calls', source: 'js', subject: 'SUB-0001', time: new Date('2026-01-15T00:00:00Z') }

const openmeter = new OpenMeter({ baseUrl: url, apiKey: key })
await openmeter.events.ingest({ ...attributes, id: 'jom-1', data: { total: 5 } })
await openmeter.events.ingest({ ...attributes, id: 'jom-1', data: { total: 5 } })
await openmeter.events.ingest([{ ...attributes, id: 'jom-2', data: { total: 5 } }])
const refused = await openmeter.events.ingest({ ...attributes, id: 'jom-3', subject: 'nobody' }).then(
  () => false,
  (problem) => problem.status === 400 || /400|subject/i.test(String(problem)),
)
if (!refused) throw new Error('an unknown subject was taken')
const counted = await openmeter.meters.query('api_calls', { subject: ['SUB-0001'], windowSize: 'DAY' })
if (counted.data.length !== 1 || counted.data[0].value !== 10) throw new Error(JSON.stringify(counted))
console.log('openmeter')

for (const [id, encode] of [['jce-1', HTTP.binary], ['jce-2', HTTP.structured]]) {
  const event = new CloudEvent({ ...attributes, time: attributes.time.toISOString(), id, data: { total: 2 } })
  const { headers, body } = encode(event)
  const sent = { method: 'POST', headers: { ...headers, authorization: `Bearer ${key}` }, body }
  const answer = await fetch(`${url}/api/v1/events`, sent)
  if (answer.status !== 204) throw new Error(await answer.text())
}
console.log('cloudevents')
