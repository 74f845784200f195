// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IAccounting, IHashConsensus, ILocator, IWithdrawalQueue, ReportValues} from "./Interfaces.sol";
import {Roles, Versioned} from "./Roles.sol";

/// @notice Devnet stand-in of the processor side: takes the hash that the committee agreed on, then the data with that
/// hash (which drives the rebase in the same transaction), then the extra data in chunks chained by hash.
contract AccountingOracle is Roles, Versioned {
    event ReportSubmitted(uint256 indexed refSlot, bytes32 hash, uint256 processingDeadlineTime);
    event ReportDiscarded(uint256 indexed refSlot, bytes32 hash);
    event ProcessingStarted(uint256 indexed refSlot, bytes32 hash);
    event WarnProcessingMissed(uint256 indexed refSlot);
    event WarnExtraDataIncompleteProcessing(uint256 indexed refSlot, uint256 processedItemsCount, uint256 itemsCount);
    event ExtraDataSubmitted(uint256 indexed refSlot, uint256 itemsProcessed, uint256 itemsCount);
    event ConsensusHashContractSet(address indexed addr, address indexed prevAddr);
    event ConsensusVersionSet(uint256 indexed version, uint256 indexed prevVersion);

    error SenderIsNotTheConsensusContract();
    error SenderNotAllowed();
    error NoConsensusReportToProcess();
    error ProcessingDeadlineMissed(uint256 deadline);
    error RefSlotAlreadyProcessing();
    error RefSlotMustBeGreaterThanProcessingOne(uint256 refSlot, uint256 processingRefSlot);
    error RefSlotCannotDecrease(uint256 refSlot, uint256 prevRefSlot);
    error UnexpectedRefSlot(uint256 consensusRefSlot, uint256 dataRefSlot);
    error UnexpectedConsensusVersion(uint256 expectedVersion, uint256 receivedVersion);
    error UnexpectedDataHash(bytes32 consensusHash, bytes32 receivedHash);
    error UnsupportedExtraDataFormat(uint256 format);
    error UnsupportedExtraDataType(uint256 itemIndex, uint256 dataType);
    error UnexpectedExtraDataFormat(uint256 expected, uint256 received);
    error UnexpectedExtraDataHash(bytes32 expected, bytes32 received);
    error UnexpectedExtraDataItemsCount(uint256 expected, uint256 received);
    error UnexpectedExtraDataIndex(uint256 expected, uint256 received);
    error ExtraDataItemsCountCannotBeZeroForNonEmptyData();
    error ExtraDataAlreadyProcessed();
    error CannotSubmitExtraDataBeforeMainData();
    error AddressCannotBeSame();
    error VersionCannotBeSame();

    struct ReportData {
        uint256 consensusVersion;
        uint256 refSlot;
        uint256 clValidatorsBalanceGwei;
        uint256 clPendingBalanceGwei;
        uint256[] stakingModuleIdsWithNewlyExitedValidators;
        uint256[] numExitedValidatorsByStakingModule;
        uint256[] stakingModuleIdsWithUpdatedBalance;
        uint256[] validatorBalancesGweiByStakingModule;
        uint256 withdrawalVaultBalance;
        uint256 elRewardsVaultBalance;
        uint256 sharesRequestedToBurn;
        uint256[] withdrawalFinalizationBatches;
        uint256 simulatedShareRate;
        bool isBunkerMode;
        bytes32 vaultsDataTreeRoot;
        string vaultsDataTreeCid;
        uint256 extraDataFormat;
        bytes32 extraDataHash;
        uint256 extraDataItemsCount;
    }

    struct ProcessingState {
        uint256 currentFrameRefSlot;
        uint256 processingDeadlineTime;
        bytes32 mainDataHash;
        bool mainDataSubmitted;
        bytes32 extraDataHash;
        uint256 extraDataFormat;
        bool extraDataSubmitted;
        uint256 extraDataItemsCount;
        uint256 extraDataItemsSubmitted;
    }

    struct ConsensusReport {
        bytes32 hash;
        uint64 refSlot;
        uint64 deadline;
    }

    struct ExtraDataState {
        uint64 refSlot;
        uint16 format;
        bool submitted;
        uint64 itemsCount;
        uint64 itemsProcessed;
        bytes32 nextHash;
    }

    bytes32 public constant SUBMIT_DATA_ROLE = keccak256("SUBMIT_DATA_ROLE");
    bytes32 public constant MANAGE_CONSENSUS_CONTRACT_ROLE = keccak256("MANAGE_CONSENSUS_CONTRACT_ROLE");
    bytes32 public constant MANAGE_CONSENSUS_VERSION_ROLE = keccak256("MANAGE_CONSENSUS_VERSION_ROLE");
    uint256 public constant EXTRA_DATA_FORMAT_EMPTY = 0;
    uint256 public constant EXTRA_DATA_FORMAT_LIST = 1;
    uint256 public constant EXTRA_DATA_TYPE_STUCK_VALIDATORS = 1;
    uint256 public constant EXTRA_DATA_TYPE_EXITED_VALIDATORS = 2;

    uint256 public immutable SECONDS_PER_SLOT;
    uint256 public immutable GENESIS_TIME;
    ILocator private immutable _locator;

    address private _consensus;
    uint256 private _consensusVersion;
    uint256 private _lastProcessingRefSlot;
    ConsensusReport private _report;
    ExtraDataState private _extra;
    /// Exited validators by (module, operator), from extra data.
    mapping(uint256 => mapping(uint256 => uint256)) public devExitedValidators;

    constructor(address locator, uint256 secondsPerSlot, uint256 genesisTime) {
        _locator = ILocator(locator);
        SECONDS_PER_SLOT = secondsPerSlot;
        GENESIS_TIME = genesisTime;
    }

    function initialize(address admin, address consensus, uint256 consensusVersion, uint256 lastProcessingRefSlot)
        external
    {
        if (admin == address(0)) revert AdminCannotBeZero();
        _initializeVersion(5);
        _grantRole(DEFAULT_ADMIN_ROLE, admin);
        _consensus = consensus;
        _consensusVersion = consensusVersion;
        _lastProcessingRefSlot = lastProcessingRefSlot;
        _report.refSlot = uint64(lastProcessingRefSlot);
        _extra.submitted = true;
        emit ConsensusHashContractSet(consensus, address(0));
        emit ConsensusVersionSet(consensusVersion, 0);
    }

    // ------------------------------------------------------------ consensus side

    function getConsensusContract() external view returns (address) {
        return _consensus;
    }

    function getConsensusVersion() external view returns (uint256) {
        return _consensusVersion;
    }

    function getLastProcessingRefSlot() external view returns (uint256) {
        return _lastProcessingRefSlot;
    }

    function getConsensusReport()
        external
        view
        returns (bytes32 hash, uint256 refSlot, uint256 processingDeadlineTime, bool processingStarted)
    {
        bool started = _report.hash != bytes32(0) && _report.refSlot == _lastProcessingRefSlot;
        return (_report.hash, _report.refSlot, _report.deadline, started);
    }

    function setConsensusContract(address addr) external onlyRole(MANAGE_CONSENSUS_CONTRACT_ROLE) {
        if (addr == _consensus) revert AddressCannotBeSame();
        emit ConsensusHashContractSet(addr, _consensus);
        _consensus = addr;
    }

    function setConsensusVersion(uint256 version) external onlyRole(MANAGE_CONSENSUS_VERSION_ROLE) {
        if (version == _consensusVersion) revert VersionCannotBeSame();
        emit ConsensusVersionSet(version, _consensusVersion);
        _consensusVersion = version;
    }

    /// @dev The warnings are about the previous report, and so come up to a frame late, as on mainnet.
    function submitConsensusReport(bytes32 reportHash, uint256 refSlot, uint256 deadline) external {
        if (msg.sender != _consensus) revert SenderIsNotTheConsensusContract();
        if (refSlot < _report.refSlot) revert RefSlotCannotDecrease(refSlot, _report.refSlot);
        if (refSlot <= _lastProcessingRefSlot) {
            revert RefSlotMustBeGreaterThanProcessingOne(refSlot, _lastProcessingRefSlot);
        }
        if (refSlot != _report.refSlot && _report.refSlot != _lastProcessingRefSlot) {
            emit WarnProcessingMissed(_report.refSlot);
        }
        if (!_extra.submitted && _extra.refSlot != refSlot) {
            emit WarnExtraDataIncompleteProcessing(_extra.refSlot, _extra.itemsProcessed, _extra.itemsCount);
        }
        _report = ConsensusReport(reportHash, uint64(refSlot), uint64(deadline));
        emit ReportSubmitted(refSlot, reportHash, deadline);
    }

    function discardConsensusReport(uint256 refSlot) external {
        if (msg.sender != _consensus) revert SenderIsNotTheConsensusContract();
        if (refSlot != _report.refSlot || _report.hash == bytes32(0)) return;
        if (refSlot <= _lastProcessingRefSlot) revert RefSlotAlreadyProcessing();
        emit ReportDiscarded(refSlot, _report.hash);
        _report.hash = bytes32(0);
    }

    // ------------------------------------------------------------ main data

    function submitReportData(ReportData calldata data, uint256 contractVersion) external {
        _checkSender();
        _checkContractVersion(contractVersion);
        if (data.refSlot != _report.refSlot) revert UnexpectedRefSlot(_report.refSlot, data.refSlot);
        if (data.consensusVersion != _consensusVersion) {
            revert UnexpectedConsensusVersion(_consensusVersion, data.consensusVersion);
        }
        bytes32 received = keccak256(abi.encode(data));
        if (received != _report.hash) revert UnexpectedDataHash(_report.hash, received);
        uint256 previous = _startProcessing();
        _takeExtraDataOf(data);
        uint256 timestamp = _timeOf(data.refSlot);
        IWithdrawalQueue(_locator.withdrawalQueue()).onOracleReport(data.isBunkerMode, _timeOf(previous), timestamp);
        IAccounting(_locator.accounting()).handleOracleReport(_values(data, timestamp, previous));
    }

    function _startProcessing() private returns (uint256 previous) {
        if (_report.hash == bytes32(0)) revert NoConsensusReportToProcess();
        if (block.timestamp > _report.deadline) revert ProcessingDeadlineMissed(_report.deadline);
        previous = _lastProcessingRefSlot;
        if (previous == _report.refSlot) revert RefSlotAlreadyProcessing();
        _lastProcessingRefSlot = _report.refSlot;
        emit ProcessingStarted(_report.refSlot, _report.hash);
    }

    function _values(ReportData calldata data, uint256 timestamp, uint256 previous)
        private
        view
        returns (ReportValues memory)
    {
        return ReportValues({
            timestamp: timestamp,
            timeElapsed: (data.refSlot - previous) * SECONDS_PER_SLOT,
            clValidatorsBalance: data.clValidatorsBalanceGwei * 1 gwei,
            clPendingBalance: data.clPendingBalanceGwei * 1 gwei,
            withdrawalVaultBalance: data.withdrawalVaultBalance,
            elRewardsVaultBalance: data.elRewardsVaultBalance,
            sharesRequestedToBurn: data.sharesRequestedToBurn,
            withdrawalFinalizationBatches: data.withdrawalFinalizationBatches,
            simulatedShareRate: data.simulatedShareRate
        });
    }

    // ------------------------------------------------------------ extra data

    function _takeExtraDataOf(ReportData calldata data) private {
        if (data.extraDataFormat == EXTRA_DATA_FORMAT_EMPTY) {
            if (data.extraDataHash != bytes32(0)) revert UnexpectedExtraDataHash(bytes32(0), data.extraDataHash);
            if (data.extraDataItemsCount != 0) revert UnexpectedExtraDataItemsCount(0, data.extraDataItemsCount);
        } else if (data.extraDataFormat == EXTRA_DATA_FORMAT_LIST) {
            if (data.extraDataItemsCount == 0) revert ExtraDataItemsCountCannotBeZeroForNonEmptyData();
            if (data.extraDataHash == bytes32(0)) revert UnexpectedExtraDataHash(bytes32(0), bytes32(0));
        } else {
            revert UnsupportedExtraDataFormat(data.extraDataFormat);
        }
        _extra = ExtraDataState(
            uint64(data.refSlot),
            uint16(data.extraDataFormat),
            false,
            uint64(data.extraDataItemsCount),
            0,
            data.extraDataHash
        );
    }

    /// @dev The empty format still needs its own transaction.
    function submitReportExtraDataEmpty() external {
        _checkExtraData(EXTRA_DATA_FORMAT_EMPTY);
        _extra.submitted = true;
        emit ExtraDataSubmitted(_extra.refSlot, 0, 0);
    }

    /// @dev A chunk is the hash of the next chunk (zero for the last), then items: index (3 bytes), type (2 bytes), and
    /// for exited validators: module (3), operators (8), operator ids (8 each), totals (16 each).
    function submitReportExtraDataList(bytes calldata data) external {
        _checkExtraData(EXTRA_DATA_FORMAT_LIST);
        bytes32 received = keccak256(data);
        if (received != _extra.nextHash) revert UnexpectedExtraDataHash(_extra.nextHash, received);
        bytes32 nextHash = bytes32(data[:32]);
        uint256 offset = 32;
        uint256 index = _extra.itemsProcessed;
        while (offset < data.length) {
            uint256 received_ = uint24(bytes3(data[offset:offset + 3]));
            if (received_ != index) revert UnexpectedExtraDataIndex(index, received_);
            offset = _processItem(data, offset + 3, index++);
        }
        if (nextHash == bytes32(0)) {
            if (index != _extra.itemsCount) revert UnexpectedExtraDataItemsCount(_extra.itemsCount, index);
            _extra.submitted = true;
        } else if (index >= _extra.itemsCount) {
            revert UnexpectedExtraDataItemsCount(_extra.itemsCount, index);
        }
        _extra.itemsProcessed = uint64(index);
        _extra.nextHash = nextHash;
        emit ExtraDataSubmitted(_extra.refSlot, index, _extra.itemsCount);
    }

    function _processItem(bytes calldata data, uint256 offset, uint256 index) private returns (uint256 next) {
        uint256 itemType = uint16(bytes2(data[offset:offset + 2]));
        if (itemType != EXTRA_DATA_TYPE_EXITED_VALIDATORS) revert UnsupportedExtraDataType(index, itemType);
        uint256 module = uint24(bytes3(data[offset + 2:offset + 5]));
        uint256 operators = uint64(bytes8(data[offset + 5:offset + 13]));
        uint256 ids = offset + 13;
        uint256 totals = ids + 8 * operators;
        for (uint256 i = 0; i < operators; ++i) {
            uint256 operator = uint64(bytes8(data[ids + 8 * i:ids + 8 * i + 8]));
            devExitedValidators[module][operator] = uint128(bytes16(data[totals + 16 * i:totals + 16 * i + 16]));
        }
        return totals + 16 * operators;
    }

    function _checkExtraData(uint256 format) private view {
        _checkSender();
        if (_extra.refSlot != _lastProcessingRefSlot || _extra.refSlot != _report.refSlot) {
            revert CannotSubmitExtraDataBeforeMainData();
        }
        if (block.timestamp > _report.deadline) revert ProcessingDeadlineMissed(_report.deadline);
        if (_extra.format != format) revert UnexpectedExtraDataFormat(_extra.format, format);
        if (_extra.submitted) revert ExtraDataAlreadyProcessed();
    }

    // ------------------------------------------------------------ views

    /// @dev About the current frame only: before consensus in it, everything after the reference slot is zero.
    function getProcessingState() external view returns (ProcessingState memory result) {
        (result.currentFrameRefSlot,) = IHashConsensus(_consensus).getCurrentFrame();
        if (_report.hash == bytes32(0) || _report.refSlot != result.currentFrameRefSlot) return result;
        result.processingDeadlineTime = _report.deadline;
        result.mainDataHash = _report.hash;
        result.mainDataSubmitted = _lastProcessingRefSlot == result.currentFrameRefSlot;
        if (!result.mainDataSubmitted) return result;
        result.extraDataHash = _extra.nextHash;
        result.extraDataFormat = _extra.format;
        result.extraDataSubmitted = _extra.submitted;
        result.extraDataItemsCount = _extra.itemsCount;
        result.extraDataItemsSubmitted = _extra.itemsProcessed;
    }

    function getCurrentFrame() external view returns (uint256 refSlot, uint256 refSlotTimestamp) {
        (refSlot,) = IHashConsensus(_consensus).getCurrentFrame();
        refSlotTimestamp = _timeOf(refSlot);
    }

    function _timeOf(uint256 slot) private view returns (uint256) {
        return GENESIS_TIME + slot * SECONDS_PER_SLOT;
    }

    function _checkSender() private view {
        if (!hasRole(SUBMIT_DATA_ROLE, msg.sender) && !IHashConsensus(_consensus).getIsMember(msg.sender)) {
            revert SenderNotAllowed();
        }
    }
}
