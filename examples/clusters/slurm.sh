#!/bin/bash
# A run in sixteen shards as a job array of Slurm, and their merging as a job that waits for all of them:
#   job=$(sbatch --parsable slurm.sh)
#   sbatch --dependency=afterok:$job --wrap 'rankfall merge shards/* --out runs/mine'
# A task that was requeued goes on from its last checkpoint.
#SBATCH --array=1-16
#SBATCH --cpus-per-task=8
#SBATCH --requeue
rankfall run mine.toml --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" \
  --out "shards/$SLURM_ARRAY_TASK_ID" --resume --threads "$SLURM_CPUS_PER_TASK" -q
