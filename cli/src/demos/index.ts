import { contentModeration } from './content-moderation.ts';
import { contentPipeline } from './content-pipeline.ts';
import type { Demo } from './demo.ts';

/** The demonstrations of the shipped workflows, in the order they are shown. */
export const demos: readonly Demo[] = [contentPipeline, contentModeration];
