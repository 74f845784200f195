// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {EnumerableSet} from "@openzeppelin/contracts/utils/structs/EnumerableSet.sol";

/// @notice The queue's arithmetic. Sums are cumulative, so that a range of requests costs two reads; a finalization
/// leaves a checkpoint with the share rate that caps what its requests are paid.
abstract contract QueueBase {
    using EnumerableSet for EnumerableSet.UintSet;

    event WithdrawalRequested(
        uint256 indexed requestId,
        address indexed requestor,
        address indexed owner,
        uint256 amountOfStETH,
        uint256 amountOfShares
    );
    event WithdrawalsFinalized(
        uint256 indexed from, uint256 indexed to, uint256 amountOfETHLocked, uint256 sharesToBurn, uint256 timestamp
    );
    event WithdrawalClaimed(
        uint256 indexed requestId, address indexed owner, address indexed receiver, uint256 amountOfETH
    );

    error InvalidRequestId(uint256 requestId);
    error InvalidRequestIdRange(uint256 startId, uint256 endId);
    error InvalidHint(uint256 hint);
    error RequestNotFoundOrNotFinalized(uint256 requestId);
    error RequestAlreadyClaimed(uint256 requestId);
    error RequestIdsNotSorted();
    error EmptyBatches();
    error BatchesAreNotSorted();
    error ZeroShareRate();
    error InvalidState();
    error TooMuchEtherToFinalize(uint256 sent, uint256 maximum);

    struct WithdrawalRequest {
        uint128 cumulativeStETH;
        uint128 cumulativeShares;
        address owner;
        uint40 timestamp;
        uint40 reportTimestamp;
        bool claimed;
    }

    struct WithdrawalRequestStatus {
        uint256 amountOfStETH;
        uint256 amountOfShares;
        address owner;
        uint256 timestamp;
        bool isFinalized;
        bool isClaimed;
    }

    struct BatchesCalculationState {
        uint256 remainingEthBudget;
        bool finished;
        uint256[36] batches;
        uint256 batchesLength;
    }

    struct Checkpoint {
        uint256 fromRequestId;
        uint256 maxShareRate;
    }

    uint256 public constant MAX_BATCHES_LENGTH = 36;
    uint256 internal constant E27 = 1e27;
    uint256 internal constant NOT_FOUND = 0;

    uint256 internal _lastRequestId;
    uint256 internal _lastFinalizedId;
    uint256 internal _lastCheckpoint;
    uint256 internal _lockedEther;
    uint256 internal _lastReportTimestamp;
    mapping(uint256 => WithdrawalRequest) internal _queue;
    mapping(uint256 => Checkpoint) internal _checkpoints;
    mapping(address => EnumerableSet.UintSet) internal _requestsOf;

    // ------------------------------------------------------------ views

    function getLastRequestId() external view returns (uint256) {
        return _lastRequestId;
    }

    function getLastFinalizedRequestId() external view returns (uint256) {
        return _lastFinalizedId;
    }

    function getLockedEtherAmount() external view returns (uint256) {
        return _lockedEther;
    }

    function getLastCheckpointIndex() external view returns (uint256) {
        return _lastCheckpoint;
    }

    function unfinalizedRequestNumber() external view returns (uint256) {
        return _lastRequestId - _lastFinalizedId;
    }

    function unfinalizedStETH() external view returns (uint256) {
        return _queue[_lastRequestId].cumulativeStETH - _queue[_lastFinalizedId].cumulativeStETH;
    }

    function requestTimestamp(uint256 requestId) external view returns (uint256) {
        return _queue[requestId].timestamp;
    }

    function getWithdrawalStatus(uint256[] calldata _requestIds)
        external
        view
        returns (WithdrawalRequestStatus[] memory statuses)
    {
        statuses = new WithdrawalRequestStatus[](_requestIds.length);
        for (uint256 i = 0; i < _requestIds.length; ++i) {
            uint256 id = _requestIds[i];
            _requireExists(id);
            WithdrawalRequest storage request = _queue[id];
            (uint256 amount, uint256 shares) = _sizeOf(id - 1, id);
            statuses[i] = WithdrawalRequestStatus(
                amount, shares, request.owner, request.timestamp, id <= _lastFinalizedId, request.claimed
            );
        }
    }

    /// @notice Requests of an owner that are not claimed yet, in no order.
    function getWithdrawalRequests(address _owner) external view returns (uint256[] memory requestsIds) {
        return _requestsOf[_owner].values();
    }

    function getClaimableEther(uint256[] calldata _requestIds, uint256[] calldata _hints)
        external
        view
        returns (uint256[] memory claimableEthValues)
    {
        claimableEthValues = new uint256[](_requestIds.length);
        for (uint256 i = 0; i < _requestIds.length; ++i) {
            uint256 id = _requestIds[i];
            _requireExists(id);
            if (id > _lastFinalizedId || _queue[id].claimed) continue;
            claimableEthValues[i] = _payout(id, _hints[i]);
        }
    }

    /// @dev A request that is not finalized has hint 0; looking on from that hint is an invalid range, as on mainnet.
    function findCheckpointHints(uint256[] calldata _requestIds, uint256 _firstIndex, uint256 _lastIndex)
        external
        view
        returns (uint256[] memory hintIds)
    {
        hintIds = new uint256[](_requestIds.length);
        uint256 previousId = 0;
        for (uint256 i = 0; i < _requestIds.length; ++i) {
            if (_requestIds[i] < previousId) revert RequestIdsNotSorted();
            hintIds[i] = _findHint(_requestIds[i], _firstIndex, _lastIndex);
            _firstIndex = hintIds[i];
            previousId = _requestIds[i];
        }
    }

    /// @notice Which requests a budget of ether can finalize, in order and without partial fills. A batch is a run of
    /// requests of one report, or of one side of the maximal share rate. Call it again with its result until finished.
    function calculateFinalizationBatches(
        uint256 _maxShareRate,
        uint256 _maxTimestamp,
        uint256 _maxRequestsPerCall,
        BatchesCalculationState memory _state
    ) external view returns (BatchesCalculationState memory) {
        if (_state.finished || _state.remainingEthBudget == 0) {
            revert InvalidState();
        }
        uint256 id = (_state.batchesLength == 0 ? _lastFinalizedId : _state.batches[_state.batchesLength - 1]) + 1;
        for (uint256 end = id + _maxRequestsPerCall; id < end; ++id) {
            if (id > _lastRequestId || _queue[id].timestamp > _maxTimestamp) break;
            uint256 cost = _cost(id - 1, id, _maxShareRate);
            if (cost > _state.remainingEthBudget) break;
            if (_state.batchesLength > 0 && _sameBatch(id, _maxShareRate)) {
                _state.batches[_state.batchesLength - 1] = id;
            } else {
                if (_state.batchesLength == MAX_BATCHES_LENGTH) break;
                _state.batches[_state.batchesLength++] = id;
            }
            _state.remainingEthBudget -= cost;
            if (id + 1 == end) return _state;
        }
        _state.finished = true;
        return _state;
    }

    function prefinalize(uint256[] calldata _batches, uint256 _maxShareRate)
        external
        view
        returns (uint256 ethToLock, uint256 sharesToBurn)
    {
        if (_maxShareRate == 0) revert ZeroShareRate();
        if (_batches.length == 0) revert EmptyBatches();
        if (_batches[0] <= _lastFinalizedId) revert InvalidRequestId(_batches[0]);
        uint256 last = _batches[_batches.length - 1];
        if (last > _lastRequestId) revert InvalidRequestId(last);
        uint256 previous = _lastFinalizedId;
        for (uint256 i = 0; i < _batches.length; ++i) {
            if (_batches[i] <= previous) revert BatchesAreNotSorted();
            (, uint256 shares) = _sizeOf(previous, _batches[i]);
            ethToLock += _cost(previous, _batches[i], _maxShareRate);
            sharesToBurn += shares;
            previous = _batches[i];
        }
    }

    // ------------------------------------------------------------ writes

    function _enqueue(uint256 amount, uint256 shares, address owner) internal returns (uint256 id) {
        WithdrawalRequest storage last = _queue[_lastRequestId];
        id = ++_lastRequestId;
        _queue[id] = WithdrawalRequest(
            last.cumulativeStETH + uint128(amount),
            last.cumulativeShares + uint128(shares),
            owner,
            uint40(block.timestamp),
            uint40(_lastReportTimestamp),
            false
        );
        _requestsOf[owner].add(id);
        emit WithdrawalRequested(id, msg.sender, owner, amount, shares);
    }

    function _finalize(uint256 lastId, uint256 ethToLock, uint256 maxShareRate) internal {
        if (lastId > _lastRequestId || lastId <= _lastFinalizedId) revert InvalidRequestId(lastId);
        uint256 firstId = _lastFinalizedId + 1;
        (uint256 amount, uint256 shares) = _sizeOf(firstId - 1, lastId);
        if (ethToLock > amount) revert TooMuchEtherToFinalize(ethToLock, amount);
        _checkpoints[++_lastCheckpoint] = Checkpoint(firstId, maxShareRate);
        _lockedEther += ethToLock;
        _lastFinalizedId = lastId;
        emit WithdrawalsFinalized(firstId, lastId, ethToLock, shares, block.timestamp);
    }

    function _claim(uint256 id, uint256 hint, address receiver) internal {
        if (id == 0) revert InvalidRequestId(id);
        if (id > _lastFinalizedId) revert RequestNotFoundOrNotFinalized(id);
        WithdrawalRequest storage request = _queue[id];
        if (request.claimed) revert RequestAlreadyClaimed(id);
        require(request.owner == msg.sender, "not the owner");
        request.claimed = true;
        _requestsOf[msg.sender].remove(id);
        uint256 amount = _payout(id, hint);
        // Rounding per request and per batch differ by a few wei, never in favour of a claim that is not covered.
        _lockedEther -= amount;
        (bool sent,) = receiver.call{value: amount}("");
        require(sent, "ether refused");
        emit WithdrawalClaimed(id, msg.sender, receiver, amount);
    }

    // ------------------------------------------------------------ inside

    function _requireExists(uint256 id) internal view {
        if (id == 0 || id > _lastRequestId) revert InvalidRequestId(id);
    }

    function _sizeOf(uint256 before, uint256 last) internal view returns (uint256 amount, uint256 shares) {
        amount = _queue[last].cumulativeStETH - _queue[before].cumulativeStETH;
        shares = _queue[last].cumulativeShares - _queue[before].cumulativeShares;
    }

    /// @dev min(nominal, shares * rate): no rewards after the request, but its share of losses.
    function _cost(uint256 before, uint256 last, uint256 maxShareRate) private view returns (uint256) {
        (uint256 amount, uint256 shares) = _sizeOf(before, last);
        return amount * E27 / shares > maxShareRate ? shares * maxShareRate / E27 : amount;
    }

    function _sameBatch(uint256 id, uint256 maxShareRate) private view returns (bool) {
        if (_queue[id].reportTimestamp == _queue[id - 1].reportTimestamp) return true;
        return (_rate(id) > maxShareRate) == (_rate(id - 1) > maxShareRate);
    }

    function _rate(uint256 id) private view returns (uint256) {
        (uint256 amount, uint256 shares) = _sizeOf(id - 1, id);
        return amount * E27 / shares;
    }

    function _payout(uint256 id, uint256 hint) private view returns (uint256) {
        if (hint == 0 || hint > _lastCheckpoint || _checkpoints[hint].fromRequestId > id) revert InvalidHint(hint);
        if (hint < _lastCheckpoint && _checkpoints[hint + 1].fromRequestId <= id) revert InvalidHint(hint);
        return _cost(id - 1, id, _checkpoints[hint].maxShareRate);
    }

    function _findHint(uint256 id, uint256 low, uint256 high) internal view returns (uint256) {
        if (low == 0 || high > _lastCheckpoint) revert InvalidRequestIdRange(low, high);
        _requireExists(id);
        if (id > _lastFinalizedId || low > high || id < _checkpoints[low].fromRequestId) return NOT_FOUND;
        if (high < _lastCheckpoint && id >= _checkpoints[high + 1].fromRequestId) return NOT_FOUND;
        while (low < high) {
            uint256 middle = (low + high + 1) / 2;
            if (_checkpoints[middle].fromRequestId <= id) low = middle;
            else high = middle - 1;
        }
        return low;
    }
}
