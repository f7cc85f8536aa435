import type { WorkflowDefinition } from '../workflow-kit/workflow.ts';
import { chain } from './chain.ts';
import { contentModeration } from './content-moderation.ts';
import { contentPipeline } from './content-pipeline.ts';
import { deviceRepair } from './device-repair.ts';
import { deviceScene } from './device-scene.ts';
import { diagnosisReview } from './diagnosis-review.ts';
import { fanOut } from './fan-out.ts';
import { healthAlert } from './health-alert.ts';
import { healthMonitor } from './health-monitor.ts';
import { purchaseOrder } from './purchase-order.ts';
import { report } from './report.ts';

/** Every workflow the coordinator offers. */
export const workflows: readonly WorkflowDefinition[] = [
  contentPipeline,
  contentModeration,
  deviceScene,
  report,
  purchaseOrder,
  diagnosisReview,
  deviceRepair,
  healthMonitor,
  healthAlert,
  chain,
  fanOut,
];
