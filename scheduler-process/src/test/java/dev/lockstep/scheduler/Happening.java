// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

/// What a run of [ClusterSimulation] counts, so that a test can require that it happens at all.
enum Happening {
    // Faults.
    RANK_KILLED,
    ALL_RANKS_KILLED,
    RANK_PAUSED,
    SCHEDULER_KILLED,
    SCHEDULER_PAUSED,
    COORDINATOR_KILLED,
    COORDINATOR_PAUSED,
    RANK_STREAM_CUT,
    REQUEST_STREAM_CUT,
    REQUEST_STREAM_STALLED,
    SESSION_LOST,
    ZOOKEEPER_WIPED,
    // Their circumstances.
    KILLED_WITH_RESULTS_IN_FLIGHT,
    TWO_LEADERS,
    STALE_JOIN_REFUSED,
    STALE_COMMAND_REFUSED,
    STANDBY_LED,
    BLOCKS_KEPT,
    PARKED,
    LATE_FRAME_DROPPED,
    REPEAT_DROPPED,
    MOVED,
    KEPT_WITHOUT_COORDINATOR,
    WINDOW_ENDED,
    RESUMED,
    EXPIRED_WHILE_PARKED,
    OUTPUTS_REPEATED,
    // Ends of requests.
    FINISHED,
    FINISHED_AFTER_FAULT,
    POISONED,
    EXPIRED,
    REFUSED,
    LEFT,
    BROKEN,
    GONE,
    GROUP_LOST
}
