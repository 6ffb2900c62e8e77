package dev.lockstep.scheduler;

import dev.lockstep.cluster.BlockHash;
import java.util.List;

/// Hears which prefixes can be found, of the first KV group; on the step loop's thread.
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

    /// Tells several, in order.
    static CacheEvents toAll(List<CacheEvents> listeners) {
        var all = List.copyOf(listeners);
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
