export { cardNames } from './card-file.ts';
export {
  DeviceHealth,
  DeviceId,
  DeviceKind,
  FaultType,
  type InjectedFault,
  light,
  lock,
  ServiceAction,
  thermostat,
} from './device.ts';
export { CaseFacts, Diagnosis, Hypothesis, Measurements, Urgency } from './diagnosis.ts';
export { toJsonSchemas, type SkillJsonSchemas } from './json-schemas.ts';
export { loadCard, type LoadCardOptions } from './load-card.ts';
export { MeshComposition, meshComposition, type MeshMember } from './mesh-composition.ts';
export { Money, Order, OrderId, OrderItems, OrderLine, OrderStatus } from './order.ts';
export { AuditEntry, Post, PostStatus } from './post.ts';
export { RunError } from './run-error.ts';
export { type SkillId, type SkillMap, skillSchemas } from './skill-schemas.ts';
export { analyzeData } from './skills/analyze-data.ts';
export { appendAudit } from './skills/append-audit.ts';
export { collectData } from './skills/collect-data.ts';
export { cancelOrder } from './skills/cancel-order.ts';
export { confirmOrder } from './skills/confirm-order.ts';
export { draftDiagnosis } from './skills/draft-diagnosis.ts';
export { extractKeywords } from './skills/extract-keywords.ts';
export { faultLight } from './skills/fault-light.ts';
export { faultLock } from './skills/fault-lock.ts';
export { faultThermostat } from './skills/fault-thermostat.ts';
export { format } from './skills/format.ts';
export { getAudit } from './skills/get-audit.ts';
export { getErrors } from './skills/get-errors.ts';
export { getLight } from './skills/get-light.ts';
export { getLock } from './skills/get-lock.ts';
export { getOrder } from './skills/get-order.ts';
export { getPost } from './skills/get-post.ts';
export { getThermostat } from './skills/get-thermostat.ts';
export { listLights } from './skills/list-lights.ts';
export { listLocks } from './skills/list-locks.ts';
export { listThermostats } from './skills/list-thermostats.ts';
export { logError } from './skills/log-error.ts';
export { placeOrder } from './skills/place-order.ts';
export { quoteOrder } from './skills/quote-order.ts';
export { repairDevice } from './skills/repair-device.ts';
export { reserveOrder } from './skills/reserve-order.ts';
export { savePost } from './skills/save-post.ts';
export { scoreSpam } from './skills/score-spam.ts';
export { scoreToxicity } from './skills/score-toxicity.ts';
export { scoreViolence } from './skills/score-violence.ts';
export { serviceLight } from './skills/service-light.ts';
export { serviceLock } from './skills/service-lock.ts';
export { serviceThermostat } from './skills/service-thermostat.ts';
export { setLight } from './skills/set-light.ts';
export { setLock } from './skills/set-lock.ts';
export { setPostStatus } from './skills/set-post-status.ts';
export { setThermostat } from './skills/set-thermostat.ts';
export { write } from './skills/write.ts';
export { Row, Source } from './source.ts';
