// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator.journal;

/// What a journal has done since it was opened, for metrics.
///
/// @param records that were written, those of new files included
/// @param commits how often the disk was waited for
/// @param bytes that were written
/// @param recovered responses that had not ended when it was opened, and can go on
public record JournalCounts(long records, long commits, long bytes, long recovered) {}
