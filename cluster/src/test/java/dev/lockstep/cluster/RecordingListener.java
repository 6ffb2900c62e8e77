// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/// A listener that records its calls.
final class RecordingListener implements Leadership.Listener {

    final List<String> calls = new CopyOnWriteArrayList<>();

    @Override
    public void elected() {
        calls.add("elected");
    }

    @Override
    public void deposed() {
        calls.add("deposed");
    }

    void awaitCalls(String... expected) throws InterruptedException {
        Eventually.await(
                () -> List.of(expected) + " but " + calls, () -> calls.equals(List.of(expected)));
    }
}
