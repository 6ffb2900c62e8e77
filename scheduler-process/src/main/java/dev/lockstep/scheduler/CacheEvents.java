package dev.lockstep.scheduler;

import dev.lockstep.cluster.BlockHash;

/// Hears which prefixes can be found, of the first KV group; on the step loop's thread.
interface CacheEvents {
    CacheEvents NONE =
            new CacheEvents() {
                @Override
                public void stored(BlockHash name) {}

                @Override
                public void removed(BlockHash name) {}
            };

    void stored(BlockHash name);

    void removed(BlockHash name);
}
