// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import java.util.function.Consumer;

/// Reports to the terminal why a group does not form, once for each reason; a first failure that
/// may pass is not reported.
///
/// Belongs to the thread of [GroupKeeper].
final class FormationNotices {
    private final String group;
    private final Consumer<String> notices;
    private int failures;
    private String lastReason = "";

    /// @param notices receives lines without a full stop
    FormationNotices(String group, Consumer<String> notices) {
        this.group = group;
        this.notices = notices;
    }

    void failed(FormationException why) {
        failures++;
        // Process ids, epochs and names of shared memory change with each try.
        String reason = String.valueOf(why.getMessage()).replaceAll("[0-9a-f]*[0-9][0-9a-f]*", "");
        if ((failures > 1 || why.isRefusal()) && !reason.equals(lastReason)) {
            lastReason = reason;
            notices.accept("group %s is not formed: %s".formatted(group, why.getMessage()));
        }
    }

    /// Reports that ranks were taken out.
    void wrong(int ranks, String reason) {
        notices.accept(
                "group %s: %d %s again: %s"
                        .formatted(
                                group, ranks, ranks == 1 ? "rank starts" : "ranks start", reason));
    }

    void formed() {
        if (!lastReason.isEmpty()) {
            notices.accept("group %s is formed".formatted(group));
        }
        failures = 0;
        lastReason = "";
    }
}
