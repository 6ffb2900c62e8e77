package dev.lockstep.scheduler;

import dev.lockstep.cluster.BlockHash;
import java.util.List;
import java.util.Optional;

/// Gives sequences the memory of their keys and values.
///
/// A plan reserves before it takes: the capacity scheduler asks for one sequence after the other,
/// and [#prepareResources] takes what was reserved when the token counts are known. So a chunk may
/// grow into what nobody reserved, and never into what an older sequence needs. A sequence that
/// runs [Sequence#withoutKv] is not asked about, and takes nothing.
public interface KvCacheManager extends ResourceManager {
    /// The most tokens a sequence alone can hold.
    int mostTokens();

    /// Blocks there are, and of those the ones nobody holds.
    long blocks();

    long freeBlocks();

    /// Free blocks that a prefix can still find.
    long cachedBlocks();

    /// Names of the blocks of the first KV group that a prefix can find.
    List<BlockHash> cachedNames();

    /// Takes over a full block from an earlier epoch, of which only the name is known. False when
    /// there is no such block, or the name is taken.
    boolean adopt(int kvGroup, int block, BlockHash name);

    /// A new plan: nothing is reserved. `nanos` is its time, which never goes back.
    void beginPlan(long nanos);

    /// Sets aside what a running sequence lacks to hold `length` tokens, if the free blocks allow
    /// it.
    boolean tryReserve(Sequence sequence, int length);

    /// Whether that would be possible with the blocks that return when steps in flight have ended.
    boolean canReserveSoon(Sequence sequence, int length);

    /// Looks up what a waiting sequence can share, and when all its known ids fit beside what is
    /// reserved: takes the shared blocks, reserves the rest, and returns how many tokens need not
    /// be computed. Returns -1 when they do not fit.
    int tryAdmit(Sequence sequence);

    /// Full blocks at the beginning of a waiting sequence that are in the cache now.
    int cachedPrefix(Sequence sequence);

    /// Whether a waiting sequence can start now and, with those that run, generate all it may, if
    /// nobody else is admitted.
    boolean fitsToCompletion(Sequence candidate, List<Sequence> running);

    /// Whether all memory would hold these when each has generated all it may, sharing nothing.
    boolean fitsBeside(Sequence candidate, List<Sequence> company);

    /// The length `sequence` may grow to in this plan.
    int room(Sequence sequence);

    /// Reserves for `sequence` what it lacks to hold `length` tokens, at most its room, and no more:
    /// its row is known.
    void trimReservation(Sequence sequence, int length);

    /// A running sequence, other than `sequence`, that is about to compute what it lacks next.
    Optional<Sequence> producerFor(Sequence sequence);
}
