// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import dev.lockstep.cluster.BlockHash;
import java.util.List;

/// Receives which prefixes of the first KV group can be found; called on the step loop's thread.
public interface CacheEvents {
    CacheEvents NONE =
            new CacheEvents() {
                @Override
                public void stored(BlockHash name) {}

                @Override
                public void removed(BlockHash name) {}
            };

    void stored(BlockHash name);

    void removed(BlockHash name);

    /// Returns a listener that notifies several listeners in order.
    static CacheEvents toAll(List<CacheEvents> listeners) {
        List<CacheEvents> all = List.copyOf(listeners);
        return new CacheEvents() {
            @Override
            public void stored(BlockHash name) {
                all.forEach(each -> each.stored(name));
            }

            @Override
            public void removed(BlockHash name) {
                all.forEach(each -> each.removed(name));
            }
        };
    }
}
