// SPDX-License-Identifier: Apache-2.0
/// The requests of this coordinator on its disk, from which they go on when coordinator and
/// scheduler die together: [Journal] has them, [JournalLog] writes what changes to one file of
/// [JournalFrames].
///
/// This package knows neither clients nor schedulers.
@NullMarked
package dev.lockstep.coordinator.journal;

import org.jspecify.annotations.NullMarked;
