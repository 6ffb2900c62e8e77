// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.launch;

import dev.lockstep.cluster.process.RankLine;

/// Ignores what happens to a child, and restarts none.
class QuietListener implements Child.Listener {
    @Override
    public void progress(String child, String what, long done, long total) {}

    @Override
    public void notice(String line) {}

    @Override
    public void ranks(Child scheduler, RankLine line) {}

    @Override
    public void terminated(Child child) {}

    @Override
    public boolean restart(String child, int exitCode, String lastLine) {
        return false;
    }
}
