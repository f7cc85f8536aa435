import { contentModeration } from './content-moderation.ts';
import { contentPipeline } from './content-pipeline.ts';
import { deviceRepair } from './device-repair.ts';
import { deviceScene } from './device-scene.ts';
import type { Demo } from './demo.ts';
import { diagnosisReview } from './diagnosis-review.ts';
import { healthMonitor } from './health-monitor.ts';
import { purchaseOrder } from './purchase-order.ts';
import { report } from './report.ts';

/** The demonstrations of the shipped workflows, in the order they are shown. */
export const demos: readonly Demo[] = [
  contentPipeline,
  deviceScene,
  healthMonitor,
  contentModeration,
  report,
  purchaseOrder,
  diagnosisReview,
  deviceRepair,
];
