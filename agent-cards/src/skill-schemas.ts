import type { z } from 'zod';
import { analyzeData } from './skills/analyze-data.ts';
import { appendAudit } from './skills/append-audit.ts';
import { collectData } from './skills/collect-data.ts';
import { cancelOrder } from './skills/cancel-order.ts';
import { confirmOrder } from './skills/confirm-order.ts';
import { draftDiagnosis } from './skills/draft-diagnosis.ts';
import { extractKeywords } from './skills/extract-keywords.ts';
import { faultLight } from './skills/fault-light.ts';
import { faultLock } from './skills/fault-lock.ts';
import { faultThermostat } from './skills/fault-thermostat.ts';
import { format } from './skills/format.ts';
import { getAudit } from './skills/get-audit.ts';
import { getErrors } from './skills/get-errors.ts';
import { getLight } from './skills/get-light.ts';
import { getLock } from './skills/get-lock.ts';
import { getOrder } from './skills/get-order.ts';
import { getPost } from './skills/get-post.ts';
import { getThermostat } from './skills/get-thermostat.ts';
import { listLights } from './skills/list-lights.ts';
import { listLocks } from './skills/list-locks.ts';
import { listThermostats } from './skills/list-thermostats.ts';
import { logError } from './skills/log-error.ts';
import { placeOrder } from './skills/place-order.ts';
import { quoteOrder } from './skills/quote-order.ts';
import { repairDevice } from './skills/repair-device.ts';
import { reserveOrder } from './skills/reserve-order.ts';
import { savePost } from './skills/save-post.ts';
import { scoreSpam } from './skills/score-spam.ts';
import { scoreToxicity } from './skills/score-toxicity.ts';
import { scoreViolence } from './skills/score-violence.ts';
import { serviceLight } from './skills/service-light.ts';
import { serviceLock } from './skills/service-lock.ts';
import { serviceThermostat } from './skills/service-thermostat.ts';
import { setLight } from './skills/set-light.ts';
import { setLock } from './skills/set-lock.ts';
import { setPostStatus } from './skills/set-post-status.ts';
import { setThermostat } from './skills/set-thermostat.ts';
import { write } from './skills/write.ts';

/** The schemas of every skill of the mesh but the workflows', by skill id. */
export const skillSchemas = {
  'analyze-data': analyzeData,
  'append-audit': appendAudit,
  'collect-data': collectData,
  'cancel-order': cancelOrder,
  'confirm-order': confirmOrder,
  'draft-diagnosis': draftDiagnosis,
  'extract-keywords': extractKeywords,
  'fault-light': faultLight,
  'fault-lock': faultLock,
  'fault-thermostat': faultThermostat,
  format,
  'get-audit': getAudit,
  'get-errors': getErrors,
  'get-light': getLight,
  'get-lock': getLock,
  'get-order': getOrder,
  'get-post': getPost,
  'get-thermostat': getThermostat,
  'list-lights': listLights,
  'list-locks': listLocks,
  'list-thermostats': listThermostats,
  'log-error': logError,
  'place-order': placeOrder,
  'quote-order': quoteOrder,
  'repair-device': repairDevice,
  'reserve-order': reserveOrder,
  'save-post': savePost,
  'score-spam': scoreSpam,
  'score-toxicity': scoreToxicity,
  'score-violence': scoreViolence,
  'service-light': serviceLight,
  'service-lock': serviceLock,
  'service-thermostat': serviceThermostat,
  'set-light': setLight,
  'set-lock': setLock,
  'set-post-status': setPostStatus,
  'set-thermostat': setThermostat,
  write,
};

/** The id of a skill with schemas. */
export type SkillId = keyof typeof skillSchemas;

/** What each skill takes (as sent, defaults may be missing) and gives, for typed calls. */
export type SkillMap = {
  [K in SkillId]: {
    input: z.input<(typeof skillSchemas)[K]['input']>;
    output: z.output<(typeof skillSchemas)[K]['output']>;
  };
};
