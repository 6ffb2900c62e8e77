// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import dev.lockstep.cluster.BlockHash;
import java.util.List;
import java.util.Optional;

/// Manages the memory for the keys and values of sequences.
///
/// A plan reserves blocks before it allocates them: the capacity scheduler reserves for one
/// sequence after the other, and [#prepareResources] allocates when the token counts are known. So
/// a chunk may grow into blocks that are not reserved, and never into blocks that an older sequence
/// needs. Nothing is reserved or allocated for a sequence that runs [Sequence#withoutKv].
public interface KvCacheManager extends ResourceManager {
    /// The maximum number of tokens that a sequence can hold when it runs alone.
    int maxTokens();

    /// All blocks that can be allocated.
    long blocks();

    /// Blocks that no sequence holds.
    long freeBlocks();

    /// Free blocks that a prefix can still find.
    long cachedBlocks();

    /// Names of the blocks of the first KV group that a prefix can find.
    List<BlockHash> cachedNames();

    /// Adds a full block from an earlier epoch, of which only the name is known, to the prefix
    /// cache. Returns false when there is no such block, the name is in use, or no sequence could
    /// begin with it.
    boolean adopt(int kvGroup, int block, BlockHash name);

    /// Starts a new plan without reservations. `nanos` is its time, which never decreases.
    void beginPlan(long nanos);

    /// Reserves what a running sequence lacks to hold `length` tokens. Returns false when too few
    /// blocks are free.
    boolean tryReserve(Sequence sequence, int length);

    /// Whether [#tryReserve] succeeds with the blocks that are free when the steps in flight have
    /// ended.
    boolean canReserveSoon(Sequence sequence, int length);

    /// Looks up what a waiting sequence can share. When all its known ids fit beside what is
    /// reserved, acquires the shared blocks, reserves the others, and returns how many tokens need
    /// not be computed. Returns -1 when they do not fit.
    int tryAdmit(Sequence sequence);

    /// Returns how many full blocks at the beginning of a waiting sequence are in the cache now.
    int cachedPrefix(Sequence sequence);

    /// Returns how many blocks at the beginning of a waiting sequence it can share with others that
    /// compute them, all of them named.
    default int sharable(Sequence waiting) {
        return 0;
    }

    /// Whether a sequence with the same prefix can begin after this block of a waiting one, once
    /// that one has computed it: in a model with states only after some of them.
    default boolean beginsAfter(Sequence waiting, int block) {
        return true;
    }

    /// Whether a sequence cannot begin after every block.
    default boolean keepsStates() {
        return false;
    }

    /// Returns the running sequence that is about to compute a sharable block of a waiting one.
    default Optional<Sequence> computing(Sequence waiting, int block) {
        return Optional.empty();
    }

    /// Returns how many tokens a further choice of a request will find computed once the first one
    /// has run its prompt.
    default int sharedByChoice(Sequence choice) {
        return choice.promptLength() - 1;
    }

    /// Whether a waiting sequence can start now, and it and the running ones can reach their
    /// maximum length when no other sequence is admitted.
    boolean fitsToCompletion(Sequence candidate, List<Sequence> running);

    /// Whether all memory together holds these sequences at their maximum length, without shared
    /// blocks.
    boolean fitsBeside(Sequence candidate, List<Sequence> others);

    /// The length in tokens that `sequence` may grow to in this plan.
    int room(Sequence sequence);

    /// Returns how many of `count` positions the next row of a running sequence may have: a row
    /// ends where the state of its sequence is to be kept. At least 1.
    default int cutRow(Sequence sequence, int count) {
        return count;
    }

    /// Reserves for `sequence` exactly what it lacks to hold `length` tokens, which is at most its
    /// room: its row is known.
    void trimReservation(Sequence sequence, int length);

    /// Returns a running sequence, other than `sequence`, that is about to compute the next block
    /// that `sequence` lacks.
    Optional<Sequence> producerFor(Sequence sequence);
}
