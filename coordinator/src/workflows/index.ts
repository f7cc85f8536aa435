import type { WorkflowDefinition } from '../workflow-kit/workflow.ts';
import { contentModeration } from './content-moderation.ts';
import { contentPipeline } from './content-pipeline.ts';

/** Every workflow the coordinator offers. */
export const workflows: readonly WorkflowDefinition[] = [contentPipeline, contentModeration];
